"""The official Python client, unmodified, asynchronous, on aiohttp and synchronous, finds OpenAI behind the gateway."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Literal

import openai
import pytest
from openai import AsyncOpenAI, DefaultAioHttpClient, OpenAI
from pydantic import BaseModel

from tests.harness import CHAT, EMBEDDINGS, RESPONSES, Gateway, World

MESSAGES: Any = CHAT["messages"]
TOOL: Any = {
    "type": "function",
    "function": {"name": "tide_at", "parameters": {"type": "object", "properties": {"place": {"type": "string"}}}},
}


class Tide(BaseModel):
    """What structured outputs are parsed into."""

    place: str
    height: float
    direction: Literal["in", "out"]


@contextlib.asynccontextmanager
async def client_of(gateway: Gateway, kind: str, **options: Any) -> AsyncIterator[AsyncOpenAI]:
    """The asynchronous client on its default transport, or on aiohttp."""
    http = {"http_client": DefaultAioHttpClient()} if kind == "aiohttp" else {}
    async with gateway.sdk(**http, **options) as client:
        yield client


@pytest.fixture(params=["httpx", "aiohttp"])
async def client(gateway: Gateway, request: pytest.FixtureRequest) -> AsyncIterator[AsyncOpenAI]:
    async with client_of(gateway, request.param) as client:
        yield client


async def test_chat(client: AsyncOpenAI) -> None:
    completion = await client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    assert completion.choices[0].message.content
    assert completion.usage is not None
    assert completion.usage.total_tokens > 0


async def test_a_chat_stream(client: AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    for _ in range(2):
        stream = await client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(pieces) == whole.choices[0].message.content


async def test_the_chat_streaming_helper(client: AsyncOpenAI) -> None:
    async with client.chat.completions.stream(model="gpt-4o-mini", messages=MESSAGES) as stream:
        kinds = [event.type async for event in stream]
        completion = await stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= set(kinds)
    assert completion.choices[0].finish_reason == "stop"


async def test_structured_outputs_are_parsed(client: AsyncOpenAI) -> None:
    for _ in ("asked", "stored"):
        chat = await client.chat.completions.parse(model="gpt-4o", messages=MESSAGES, response_format=Tide)
        assert isinstance(chat.choices[0].message.parsed, Tide)
        response = await client.responses.parse(model="gpt-4o", input="tide", text_format=Tide)
        assert isinstance(response.output_parsed, Tide)


async def test_tools_are_called(client: AsyncOpenAI) -> None:
    completion = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES, tools=[TOOL])
    (call,) = completion.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "tide_at"
    async with client.chat.completions.stream(model="gpt-4o", messages=MESSAGES, tools=[TOOL]) as stream:
        streamed = await stream.get_final_completion()
    (again,) = streamed.choices[0].message.tool_calls or []
    assert again.type == "function"
    assert again.function.arguments == call.function.arguments


async def test_responses(client: AsyncOpenAI) -> None:
    response = await client.responses.create(model="gpt-4o-mini", input="tide", metadata={"order": "7"})
    assert response.status == "completed"
    assert response.output_text
    assert response.metadata == {"order": "7"}


async def test_the_responses_streaming_helper(client: AsyncOpenAI) -> None:
    async with client.responses.stream(model="gpt-4o-mini", input="tide") as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == final.output_text


@pytest.mark.parametrize("encoding", ["base64", "float"])
async def test_embeddings(client: AsyncOpenAI, encoding: Literal["base64", "float"]) -> None:
    vectors = [
        (await client.embeddings.create(model=EMBEDDINGS["model"], input=["tide", "gate"], encoding_format=encoding))
        for _ in range(2)
    ]
    assert [len(answer.data) for answer in vectors] == [2, 2]
    plain = await client.embeddings.create(model=EMBEDDINGS["model"], input=["tide", "gate"])
    assert isinstance(plain.data[0].embedding, list)


async def test_moderations_and_models(client: AsyncOpenAI) -> None:
    moderation = await client.moderations.create(input="high tide")
    assert not moderation.results[0].flagged
    names = [model.id async for model in client.models.list()]
    assert "gpt-4o-mini" in names
    assert (await client.models.retrieve("gpt-4o-mini")).id == "gpt-4o-mini"


async def test_raw_responses_show_the_gateways_headers(client: AsyncOpenAI) -> None:
    answers = [
        await client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=MESSAGES) for _ in range(2)
    ]
    assert [answer.headers["x-tidegate-cache"] for answer in answers] == ["miss", "hit"]
    parsed = answers[1].parse()
    assert parsed.choices[0].message.content
    assert answers[1].request_id
    assert answers[1].request_id.startswith("req_")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("invalid_key", openai.AuthenticationError),
        ("forbidden", openai.PermissionDeniedError),
        ("model_not_found", openai.NotFoundError),
        ("context_length", openai.BadRequestError),
        ("out_of_quota", openai.RateLimitError),
        ("rate_limited", openai.RateLimitError),
        ("overloaded", openai.InternalServerError),
        ("html_from_proxy", openai.InternalServerError),
    ],
)
async def test_an_error_is_the_class_that_openai_would_raise(
    client: AsyncOpenAI, fault: str, kind: type[openai.APIStatusError]
) -> None:
    with pytest.raises(kind) as no:
        await client.chat.completions.create(
            model="gpt-4o-mini", messages=MESSAGES, extra_headers={"x-simulate-fault": fault}
        )
    assert no.value.code
    assert no.value.request_id


async def test_an_error_within_a_stream_is_raised_with_its_code(client: AsyncOpenAI) -> None:
    headers = {"x-simulate-fault": "truncated"}
    chat = await client.chat.completions.create(
        model="gpt-4o-mini", messages=MESSAGES, stream=True, extra_headers=headers
    )
    with pytest.raises(openai.APIError) as no:
        [chunk async for chunk in chat]
    assert no.value.code == "truncated_answer"
    responses = await client.responses.create(model="gpt-4o-mini", input="tide", stream=True, extra_headers=headers)
    with pytest.raises(openai.APIError) as no:
        [event async for event in responses]
    assert no.value.code == "truncated_answer"


@pytest.mark.parametrize(
    ("fault", "calls"),
    [
        ("out_of_quota", 1),
        ("request_too_large", 1),
        ("context_length", 1),
        ("invalid_key", 1),
        ("overloaded", 3),
        ("server_error", 3),
    ],
)
async def test_its_retries_obey_the_gateway(impatient: Gateway, world: World, fault: str, calls: int) -> None:
    headers = {"x-simulate-fault": fault, "cache-control": "no-store"}
    async with impatient.sdk(max_retries=2, default_headers=headers) as client:
        with pytest.raises(openai.APIStatusError):
            await client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    await world.ledger_entries(lines=calls)


async def test_connections_are_kept_after_a_stream(gateway: Gateway) -> None:
    """A stream that ends right after its last event leaves the connection usable."""
    async with gateway.sdk() as client:
        for _ in range(5):
            stream = await client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
            assert [chunk async for chunk in stream]
        pool: Any = client._client._transport  # noqa: SLF001  # what is asked about is inside
        assert len(pool._pool.connections) == 1  # noqa: SLF001  # the same


async def test_the_synchronous_client(gateway: Gateway) -> None:
    def use() -> list[str]:
        with OpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0) as client:
            said = [client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES).choices[0].message.content]
            stream = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
            said.append("".join(chunk.choices[0].delta.content or "" for chunk in stream))
            with client.responses.stream(model=RESPONSES["model"], input="tide") as events:
                events.until_done()
                said.append(events.get_final_response().output_text)
            said.append(client.responses.create(model=RESPONSES["model"], input="tide").output_text)
            vector = client.embeddings.create(model=EMBEDDINGS["model"], input="tide").data[0].embedding
            names = [model.id for model in client.models.list()]
            flagged = client.moderations.create(input="tide").results[0].flagged
            parsed = client.responses.parse(model="gpt-4o", input="tide", text_format=Tide).output_parsed
            assert (len(vector) > 100, "gpt-4o" in names, flagged, type(parsed)) == (True, True, False, Tide)
        return [words or "" for words in said]

    chat, streamed, events, response = await asyncio.to_thread(use)
    assert chat == streamed
    assert events == response
