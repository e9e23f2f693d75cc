"""A call is settled before its last byte is handed on, however it ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.eventually import PATIENCE_SECONDS, wait_until
from tests.providers.servers import STREAM_HEAD, Server, ServerScript, chunk, sending_parts, serve, silence
from tests.providers.targets import provider
from tests.routing.fake_upstream_call import COST, FakeUpstreamCall
from tests.routing.health_registries import registry_alone
from tidegate.core import endpoints
from tidegate.core.clock import ManualClock
from tidegate.core.config import RetriesConfig
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import (
    AnswerTooLarge,
    ClientDisconnected,
    ConnectionFailed,
    ErrorInStream,
    FirstByteTimeout,
    HtmlFromProxy,
    MalformedAnswer,
    TidegateError,
    TruncatedAnswer,
    UpstreamServerError,
)
from tidegate.providers.target import Target

DONE = b"data: [DONE]\n\n"


def event(value: Any, name: str = "") -> bytes:
    """One event."""
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + msgspec.json.encode(value) + b"\n\n"


def said(text: str, finish: str | None = None, index: int = 0) -> bytes:
    """A chat chunk."""
    return event({"model": "m-1", "choices": [{"index": index, "delta": {"content": text}, "finish_reason": finish}]})


USAGE = event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})


def streaming(*events: bytes, end: bytes = b"0\r\n\r\n") -> ServerScript:
    return sending_parts(STREAM_HEAD + b"".join(chunk(one) for one in events) + end)


def whole(body: bytes, status: str = "200 OK") -> ServerScript:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-request-id: req_up\r\ncontent-length: {len(body)}"
    return sending_parts(head.encode() + b"\r\n\r\n" + body)


@contextlib.asynccontextmanager
async def asked(
    script: ServerScript, route: Endpoint = endpoints.CHAT, **settings: Any
) -> AsyncIterator[tuple[FakeUpstreamCall, Server]]:
    """The call, streamed where the script streams; nothing is tried twice, and nobody else is there."""
    async with serve(script) as server, provider(f"{server.address}/v1", **settings) as openai:
        clock = ManualClock()
        providers = {"openai": openai}
        retries = RetriesConfig(max_retries=0)
        yield (
            FakeUpstreamCall(registry_alone(clock), providers, clock, route=route, stream=True, retries=retries),
            server,
        )


async def everything(call: FakeUpstreamCall) -> list[bytes]:
    await call.call.open()
    return await call.remaining_events()


async def test_a_stream_is_settled_before_its_last_event() -> None:
    async with asked(streaming(said("Hi"), said("", "stop"), USAGE, DONE)) as (call, _):
        head = await call.call.open()
        assert (head.stream, head.served_by) == (True, "openai/m-1")
        seen = []
        while more := await call.call.more():
            seen += more
            assert bool(call.outcomes) == (DONE in more)
        assert seen == [said("Hi"), said("", "stop"), USAGE, DONE]
        assert call.call.cost_nanos == COST
        assert call.outcome.storable
        assert call.outcome.error is None
        assert msgspec.json.decode(call.outcome.usage or b"") == {"prompt_tokens": 3, "completion_tokens": 2}
        assert call.outcome.model == "m-1"


async def test_a_whole_answer_is_settled_before_it_is_handed_on() -> None:
    choice = b'{"message": {"content": "Hi"}, "finish_reason": "stop"}'
    body = b'{"model": "m-1", "choices": [' + choice + b'], "usage": {"total_tokens": 1}}'
    async with asked(whole(body)) as (call, _):
        head = await call.call.open()
        assert (head.stream, head.served_by) == (False, "openai/m-1")
        assert call.outcome.storable
        assert call.outcome.upstream_request_id == "req_up"
        assert await call.remaining_events() == [body]
        assert len(call.outcomes) == 1


async def test_comments_are_not_handed_on() -> None:
    async with asked(streaming(b": ping\n\n", said("Hi", "stop"), b": ping\n\n", DONE)) as (call, _):
        await call.call.open()
        assert await call.remaining_events() == [said("Hi", "stop"), DONE]


async def test_a_chat_whose_choices_are_all_finished_needs_no_done() -> None:
    async with asked(streaming(said("Hi", "stop"), said("Ho", "length", 1))) as (call, _):
        await call.call.open()
        assert (await call.remaining_events())[-1] == DONE
        assert call.outcome.error is None


@pytest.mark.parametrize(
    "events",
    [
        [],
        [said("Hi")],
        [said("Hi", "stop"), said("Ho", None, 1)],
        [said("Hi", "stop"), b"data: {"],
    ],
)
async def test_a_stream_that_ends_early_is_truncated(events: list[bytes]) -> None:
    async with asked(streaming(*events)) as (call, _):
        with pytest.raises(TruncatedAnswer):
            await everything(call)
        assert isinstance(call.outcome.error, TruncatedAnswer)
        assert not call.outcome.storable


async def test_responses_end_by_their_terminal_event_only() -> None:
    output = [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}]
    response = {"status": "completed", "model": "m-1", "output": output, "usage": {"input_tokens": 1}}
    begun = event({"type": "response.created", "response": {"status": "in_progress"}}, "response.created")
    ended = event({"type": "response.completed", "response": response}, "response.completed")
    async with asked(streaming(begun, ended, DONE), endpoints.RESPONSES) as (call, _):
        await call.call.open()
        assert await call.remaining_events() == [begun, ended]
        assert call.outcome.storable
    async with asked(streaming(begun), endpoints.RESPONSES) as (call, _):
        with pytest.raises(TruncatedAnswer):
            await call.call.open()


async def test_a_response_that_failed_is_handed_on_and_reported() -> None:
    response = {"status": "failed", "error": {"code": "server_error", "message": "no"}}
    ended = event({"type": "response.failed", "response": response}, "response.failed")
    async with asked(streaming(ended), endpoints.RESPONSES) as (call, _):
        await call.call.open()
        assert await call.remaining_events() == [ended]
        assert call.outcome.error is None
        assert isinstance(call.outcome.reported_error, UpstreamServerError)
        assert not call.outcome.storable


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (streaming(said("Hi"), event({"error": {"message": "no"}})), ErrorInStream),
        (streaming(said("Hi"), b"data: {broken\n\n"), MalformedAnswer),
        (streaming(said("Hi"), end=b""), TruncatedAnswer),
        (sending_parts(STREAM_HEAD + chunk(said("Hi")), chunk(said("x" * 5000)), pause=0.05), AnswerTooLarge),
    ],
    ids=["an error event", "no JSON", "cut", "too large"],
)
async def test_a_stream_that_fails_half_way_says_first_what_it_had_said(
    script: ServerScript, kind: type[TidegateError]
) -> None:
    async with asked(script, max_answer_bytes=2048) as (call, _):
        await call.call.open()
        assert await call.call.more() == [said("Hi")]
        with pytest.raises(kind):
            await call.remaining_events()
        assert type(call.outcome.error) is kind
        assert call.outcome.events == (said("Hi"),)
        assert not call.outcome.storable
        with pytest.raises(kind):
            await call.call.more()
        assert len(call.outcomes) == 1


@pytest.mark.parametrize(
    ("route", "heartbeat"),
    [
        (endpoints.CHAT, b": OPENROUTER PROCESSING\n\n"),
        (endpoints.CHAT, event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})),
        (endpoints.RESPONSES, event({"type": "response.in_progress", "response": {"status": "in_progress"}})),
        (endpoints.RESPONSES, event({"type": "keepalive", "sequence_number": 3})),
    ],
)
async def test_an_upstream_that_is_alive_and_says_nothing_has_not_begun(route: Endpoint, heartbeat: bytes) -> None:
    script = sending_parts(STREAM_HEAD, *[chunk(heartbeat)] * 100, pause=0.02)
    async with asked(script, route, first_byte_seconds=0.3, idle_seconds=5) as (call, _):
        with pytest.raises(FirstByteTimeout):
            await call.call.open()
        assert call.outcome.events == ()


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (whole(b'{"error": {"message": "no"}}', "500 No"), UpstreamServerError),
        (whole(b'{"error": {"message": "no", "code": "server_error"}}'), UpstreamServerError),
        (whole(b"not json"), MalformedAnswer),
        (whole(b"{}" + b" " * 5000), AnswerTooLarge),
        (sending_parts(), ConnectionFailed),
    ],
    ids=["refused", "an error with status 200", "no JSON", "too large", "hung up"],
)
async def test_an_answer_that_fails_at_once(script: ServerScript, kind: type[TidegateError]) -> None:
    async with asked(script, max_answer_bytes=2048) as (call, _):
        with pytest.raises(kind):
            await call.call.open()
        assert type(call.outcome.error) is kind
        assert call.outcome.events == ()


async def test_abandoned_in_the_middle_it_is_cut_and_settled_as_far_as_it_came() -> None:
    async with asked(sending_parts(STREAM_HEAD + chunk(said("Hi")), then_silence=True)) as (call, server):
        await call.call.open()
        assert await call.call.more() == [said("Hi")]
        await call.call.abandon()
        assert isinstance(call.outcome.error, ClientDisconnected)
        assert call.outcome.events == (said("Hi"),)
        await asyncio.wait_for(server.closed.wait(), PATIENCE_SECONDS)
        await call.call.abandon()
        assert len(call.outcomes) == 1


async def test_abandoned_it_is_read_as_far_as_it_was_written_already() -> None:
    """The end is on its way, and with it what the upstream charges."""
    rest = (said("", "stop"), USAGE, DONE)
    async with asked(streaming(said("Hi"), *rest)) as (call, _):
        await call.call.open()
        await call.call.abandon()
    assert isinstance(call.outcome.error, ClientDisconnected)
    assert msgspec.json.decode(call.outcome.usage or b"") == {"prompt_tokens": 3, "completion_tokens": 2}


@pytest.mark.parametrize(
    ("script", "affordable", "sent"),
    [
        pytest.param(streaming(end=b""), 2, 3, id="it may be charged each time"),
        pytest.param(streaming(end=b""), 1, 2, id="and there is money for one more"),
        pytest.param(streaming(end=b""), 0, 1, id="or for none"),
        pytest.param(whole(b'{"error": {"message": "no"}}', "500 No"), 0, 3, id="a refusal costs nothing"),
    ],
)
async def test_it_is_sent_again_only_where_it_can_be_paid(script: ServerScript, affordable: int, sent: int) -> None:
    async with serve(script) as server, provider(f"{server.address}/v1") as openai:
        clock = ManualClock()
        retries = RetriesConfig(max_retries=2, budget_min=100)
        call = FakeUpstreamCall(registry_alone(clock), {"openai": openai}, clock, stream=True, retries=retries)
        call.affordable_retries = affordable
        with pytest.raises(TidegateError):
            await call.call.open()
    assert call.outcome.attempts == sent


async def test_a_page_in_place_of_an_answer_is_nobodys_work() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: 6\r\n\r\n"
    async with asked(sending_parts(head + b"<html>")) as (call, _):
        with pytest.raises(HtmlFromProxy):
            await call.call.open()
        assert not call.outcome.may_be_charged


async def test_abandoned_before_the_answer_it_counts_as_sent() -> None:
    async with asked(silence) as (call, server):
        opening = asyncio.create_task(call.call.open())
        await wait_until(lambda: bool(server.requests))
        opening.cancel()
        await asyncio.wait({opening})
        await call.call.abandon()
        assert isinstance(call.outcome.error, ClientDisconnected)
        assert call.outcome.sent
        await asyncio.wait_for(server.closed.wait(), PATIENCE_SECONDS)


async def test_abandoned_before_it_was_opened_it_gives_its_slot_back_and_is_settled_unsent() -> None:
    async with provider("http://127.0.0.1:9/v1") as openai:
        clock = ManualClock()
        call = FakeUpstreamCall(registry_alone(clock), {"openai": openai}, clock, first=True)
        await call.call.abandon()
    assert [slot.log for slot in call.slots] == [["declined"]]
    assert isinstance(call.outcome.error, ClientDisconnected)
    assert not call.outcome.sent


async def test_a_call_on_an_open_connection_is_sent_at_once_and_its_silence_ends_when_its_target_goes_down() -> None:
    """The one that reads it is told why, and the connection is cut."""
    answer = whole(b'{"model": "m-1", "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}')

    async def answers_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (answer if len(server.requests) == 1 else silence)(reader, writer)

    async with serve(answers_once, keep_alive=True) as server, provider(f"{server.address}/v1") as openai:
        clock = ManualClock()
        board, retries = registry_alone(clock), RetriesConfig(max_retries=0)
        first, second = (
            FakeUpstreamCall(board, {"openai": openai}, clock, retries=retries, first=True) for _ in range(2)
        )
        await first.call.open()
        opening = asyncio.create_task(second.call.open())
        await wait_until(lambda: len(server.requests) > 1)
        board.note_silence(Target("openai", "m"), FirstByteTimeout("It is silent."))
        with pytest.raises(FirstByteTimeout, match="It is silent"):
            await asyncio.wait_for(opening, PATIENCE_SECONDS)
        await asyncio.wait_for(server.closed.wait(), PATIENCE_SECONDS)
    assert server.connections == 1
    assert (second.outcome.sent, second.outcome.attempts) == (True, 1)
