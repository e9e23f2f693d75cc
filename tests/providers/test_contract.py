"""Every kind of provider passes the same cases, so routing needs to know none of them.

One of them has a wire format of its own (`tests.providers.messages_provider`): its package and one line in the table of
classes are all that it takes.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.providers.messages_provider import MessagesProvider
from tests.providers.servers import STREAM_HEAD, Server, ServerScript, chunk, sending_parts, serve
from tests.providers.targets import config_of
from tests.routing.fake_slot import FakeSlot
from tidegate.core import endpoints, errors
from tidegate.core.clock import ManualClock
from tidegate.core.errors import UpstreamError
from tidegate.providers.base import Provider
from tidegate.providers.registry import PROVIDER_CLASSES, make_providers
from tidegate.providers.request_body import joined
from tidegate.providers.target import Target
from tidegate.providers.transport import Transport
from tidegate.routing.attempt import Attempt
from tidegate.wire import sse
from tidegate.wire.call import Call, parse

CLASSES = {**PROVIDER_CLASSES, "messages": MessagesProvider}
SETTINGS: dict[str, dict[str, Any]] = {"azure": {"api_version": "2024-10-21"}}
TARGET = Target("here", "m-1")
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "When is high tide?"}]


class WireFormat(msgspec.Struct, frozen=True):
    """What an upstream sends, in its own format."""

    whole: Any
    events: list[Any]
    done: bytes
    error: Any
    errors: dict[int, Any]
    models: Any


OPENAI = WireFormat(
    whole={
        "model": "m-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "At three."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3},
    },
    events=[
        {"model": "m-1", "choices": [{"index": 0, "delta": {"content": "At "}, "finish_reason": None}]},
        {"model": "m-1", "choices": [{"index": 0, "delta": {"content": "three."}, "finish_reason": None}]},
        {"model": "m-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ],
    done=b"data: [DONE]\n\n",
    error={"error": {"message": "Broken.", "type": "server_error", "code": "server_error"}},
    errors={
        401: {"error": {"message": "Bad key.", "code": "invalid_api_key"}},
        429: {"error": {"message": "Slower.", "type": "requests", "code": "rate_limit_exceeded"}},
        500: {"error": {"message": "Broken.", "type": "server_error"}},
    },
    models={"object": "list", "data": [{"id": "m-1", "object": "model"}]},
)
MESSAGES_FORMAT = WireFormat(
    whole={
        "content": [{"type": "text", "text": "At "}, {"type": "text", "text": "three."}],
        "stop_reason": "end_turn",
        "usage": {"input": 9, "output": 3},
    },
    events=[
        {"type": "message_start"},
        {"type": "content_block_delta", "delta": {"text": "At "}},
        {"type": "content_block_delta", "delta": {"text": "three."}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
    ],
    done=b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    error={"type": "error", "error": {"type": "api_error", "message": "Broken."}},
    errors={
        401: {"error": {"type": "authentication_error", "message": "Bad key."}},
        429: {"error": {"type": "rate_limit_error", "message": "Slower."}},
        500: {"error": {"type": "api_error", "message": "Broken."}},
    },
    models={"names": ["m-1"]},
)
FORMATS = {kind: MESSAGES_FORMAT if kind == "messages" else OPENAI for kind in CLASSES}


@pytest.fixture(params=list(CLASSES))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def call(**fields: Any) -> Call:
    return parse(endpoints.CHAT, msgspec.json.encode({"model": "m-1", "messages": MESSAGES, **fields}))


def answer(body: Any, status: str = "200 OK", headers: str = "") -> ServerScript:
    data = msgspec.json.encode(body)
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {len(data)}\r\n\r\n"
    return sending_parts(head.encode() + data)


def stream(*events: Any, done: bytes = b"") -> ServerScript:
    parts = [sse.encode(msgspec.json.encode(event)) for event in events] + ([done] if done else [])
    return sending_parts(STREAM_HEAD, *(chunk(part) for part in parts), b"0\r\n\r\n")


@contextlib.asynccontextmanager
async def provider_at(server: Server, kind: str) -> AsyncIterator[Provider]:
    usual = "openai" if kind == "messages" else kind
    config = config_of(server.address, kind=usual, **SETTINGS.get(kind, {})).model_copy(update={"kind": kind})
    async with Transport(max_connections=10) as transport:
        yield make_providers({"here": config}, transport, ManualClock(), classes=CLASSES)["here"]


@contextlib.asynccontextmanager
async def attempt_at(script: ServerScript, kind: str, **fields: Any) -> AsyncIterator[Attempt]:
    async with serve(script) as server, provider_at(server, kind) as provider:
        request = provider.build_request(call(**fields), TARGET)
        yield Attempt(
            request, provider.credentials[0], provider=provider, headers={}, slot=FakeSlot(), clock=ManualClock()
        )


async def all_events(attempt: Attempt) -> list[bytes]:
    events = []
    while more := await attempt.next_events():
        events += more
    return events + attempt.last_events


async def test_a_whole_answer_is_a_chat_completion(kind: str) -> None:
    async with attempt_at(answer(FORMATS[kind].whole), kind) as attempt:
        await attempt.open()
        attempt.release()
    completion = msgspec.json.decode(attempt.last_events[0])
    assert completion["choices"][0]["message"]["content"] == "At three."
    assert completion["choices"][0]["finish_reason"] == "stop"
    assert completion["usage"] == {"prompt_tokens": 9, "completion_tokens": 3}


async def test_a_streamed_answer_is_chat_chunks_and_done(kind: str) -> None:
    script = stream(*FORMATS[kind].events, done=FORMATS[kind].done)
    async with attempt_at(script, kind, stream=True) as attempt:
        await attempt.open()
        *chunks, done = await all_events(attempt)
        attempt.release()
    choices = [msgspec.json.decode(sse.data_of(event) or b"")["choices"][0] for event in chunks]
    assert "".join(choice["delta"].get("content", "") for choice in choices) == "At three."
    assert [choice["finish_reason"] for choice in choices][-1] == "stop"
    assert done == sse.DONE


@pytest.mark.parametrize(
    ("status", "kind_of_error"),
    [
        (401, errors.InvalidUpstreamKey),
        (429, errors.UpstreamRateLimited),
        (500, errors.UpstreamServerError),
    ],
)
async def test_a_refusal_is_a_typed_error(kind: str, status: int, kind_of_error: type[UpstreamError]) -> None:
    script = answer(FORMATS[kind].errors[status], f"{status} No", "retry-after: 7\r\n")
    async with attempt_at(script, kind) as attempt:
        with pytest.raises(kind_of_error) as refusal:
            await attempt.open()
    assert refusal.value.retry_after == (7.0 if refusal.value.retryable else None)


async def test_an_error_inside_a_stream_is_a_typed_error_after_the_events_before_it(kind: str) -> None:
    *before, _ = FORMATS[kind].events
    async with attempt_at(stream(*before, FORMATS[kind].error), kind, stream=True) as attempt:
        await attempt.open()
        with pytest.raises(errors.UpstreamServerError):
            await all_events(attempt)
    assert b"three." in b"".join(attempt.events)


async def test_a_stream_without_its_end_is_truncated(kind: str) -> None:
    first = [event for event in FORMATS[kind].events if "At " in str(event)]
    async with attempt_at(stream(*first), kind, stream=True) as attempt:
        await attempt.open()
        with pytest.raises(errors.TruncatedAnswer):
            await all_events(attempt)


async def test_a_model_list_is_openais(kind: str) -> None:
    async with serve(answer(FORMATS[kind].models)) as server, provider_at(server, kind) as provider:
        assert [model["id"] for model in await provider.list_models(provider.credentials[0])] == ["m-1"]


async def test_a_probe_raises_what_the_provider_refuses_it_for(kind: str) -> None:
    script = answer(FORMATS[kind].errors[401], "401 No")
    async with serve(script) as server, provider_at(server, kind) as provider:
        with pytest.raises(errors.InvalidUpstreamKey):
            await provider.probe(provider.credentials[0])


async def test_a_call_that_the_provider_has_no_endpoint_for_is_not_sent(kind: str) -> None:
    moderation = parse(endpoints.MODERATIONS, b'{"input":"hi"}')
    async with serve(answer({})) as server, provider_at(server, kind) as provider:
        if kind == "openai":
            assert provider.build_request(moderation, TARGET).url.endswith("/moderations")
            return
        with pytest.raises(errors.NotTranslatable):
            provider.build_request(moderation, TARGET)
    assert server.connections == 0


async def test_the_foreign_request_is_in_the_providers_format() -> None:
    async with attempt_at(answer(MESSAGES_FORMAT.whole), "messages") as attempt:
        body = msgspec.json.decode(joined(attempt.request.body))
        assert body == {"model": "m-1", "system": "Be brief.", "messages": MESSAGES[1:], "stream": False}
        assert attempt.request.adaptations == ("chat: messages",)
