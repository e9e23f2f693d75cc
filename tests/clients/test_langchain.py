"""LangChain's `ChatOpenAI`, unmodified, works through the gateway."""

from typing import Any

import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, SecretStr

from tests.harness import Gateway, World


class Tide(BaseModel):
    """The tide at a place."""

    place: str
    height: float


def model(gateway: Gateway, **options: Any) -> ChatOpenAI:
    return ChatOpenAI(
        model="gpt-4o", base_url=gateway.base_url, api_key=SecretStr(gateway.key), max_retries=0, **options
    )


@pytest.mark.parametrize("responses", [False, True])
async def test_it_invokes_and_streams(gateway: Gateway, world: World, responses: bool) -> None:
    chat = model(gateway, use_responses_api=responses)
    whole = await chat.ainvoke("When is high tide?")
    assert whole.text
    assert whole.usage_metadata
    assert whole.usage_metadata["total_tokens"] > 0
    pieces = [piece.text async for piece in chat.astream("When is high tide?")]
    assert "".join(pieces) == whole.text
    assert sum((await world.stats())["calls"].values()) == 1


async def test_it_calls_tools(gateway: Gateway) -> None:
    def tide_at(place: str) -> str:
        """When the tide is high at a place."""
        return place

    answer = await model(gateway).bind_tools([tide_at]).ainvoke("When is high tide in Bristol?")
    assert [call["name"] for call in answer.tool_calls] == ["tide_at"]
    assert "place" in answer.tool_calls[0]["args"]


async def test_it_parses_structured_answers(gateway: Gateway) -> None:
    answer = await model(gateway).with_structured_output(Tide).ainvoke("When is high tide?")
    assert isinstance(answer, Tide)


async def test_it_embeds(gateway: Gateway) -> None:
    embeddings = OpenAIEmbeddings(
        model="text-embedding-3-small",
        base_url=gateway.base_url,
        api_key=SecretStr(gateway.key),
        check_embedding_ctx_length=False,  # else it fetches a tokenizer
    )
    assert len(await embeddings.aembed_query("high tide")) > 100
