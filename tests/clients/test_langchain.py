"""LangChain's `ChatOpenAI`, unmodified, works through the gateway."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai import DefaultAsyncHttpxClient
from pydantic import BaseModel, SecretStr

from tests.harness import Gateway, World


class Tide(BaseModel):
    """The tide at a place."""

    place: str
    height: float


@pytest.fixture
async def options(gateway: Gateway) -> AsyncIterator[dict[str, Any]]:
    """Where it finds the gateway; its connections are closed at the end, which it leaves to nobody."""
    async with DefaultAsyncHttpxClient() as http:
        yield {"base_url": gateway.base_url, "api_key": SecretStr(gateway.key), "http_async_client": http}


@pytest.mark.parametrize("responses", [False, True])
async def test_it_invokes_and_streams(options: dict[str, Any], world: World, responses: bool) -> None:
    chat = ChatOpenAI(model="gpt-4o", use_responses_api=responses, **options)
    whole = await chat.ainvoke("When is high tide?")
    assert whole.text
    assert whole.usage_metadata
    assert whole.usage_metadata["total_tokens"] > 0
    pieces = [piece.text async for piece in chat.astream("When is high tide?")]
    assert "".join(pieces) == whole.text
    assert sum((await world.stats())["calls"].values()) == 1


async def test_it_calls_tools(options: dict[str, Any]) -> None:
    def tide_at(place: str) -> str:
        """When the tide is high at a place."""
        return place

    answer = await ChatOpenAI(model="gpt-4o", **options).bind_tools([tide_at]).ainvoke("High tide in Bristol?")
    assert [call["name"] for call in answer.tool_calls] == ["tide_at"]
    assert "place" in answer.tool_calls[0]["args"]


async def test_it_parses_structured_answers(options: dict[str, Any]) -> None:
    answer = await ChatOpenAI(model="gpt-4o", **options).with_structured_output(Tide).ainvoke("When is high tide?")
    assert isinstance(answer, Tide)


async def test_it_embeds(options: dict[str, Any]) -> None:
    # else it fetches a tokenizer
    embeddings = OpenAIEmbeddings(model="text-embedding-3-small", check_embedding_ctx_length=False, **options)
    assert len(await embeddings.aembed_query("high tide")) > 100
