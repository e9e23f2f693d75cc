"""Each caller receives its answer in the form it requested, with its own values, and one ledger entry in time."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.coalescing.scripted import HEAD, ScriptedSource, events, no_loop_errors, run_ready_tasks
from tidegate.coalescing.flight import Flight
from tidegate.core import endpoints
from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import (
    ClientDisconnected,
    MalformedAnswer,
    TidegateError,
    TruncatedAnswer,
    UpstreamRateLimited,
)
from tidegate.core.values import AnswerHead
from tidegate.pipeline.delivery import ClientResponse, RequestedForm
from tidegate.wire import sse
from tidegate.wire.answer_form import to_stream

CHAT, RESPONSES = endpoints.CHAT, endpoints.RESPONSES
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
COMPLETION: dict[str, Any] = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "High at noon."}, "finish_reason": "stop"}],
}  # fmt: skip
RESPONSE: dict[str, Any] = {
    "id": "r", "object": "response", "status": "completed", "output": [], "user": "ada", "metadata": {"a": "hers"},
}  # fmt: skip
ADA = '{"metadata":{"a":"hers"},"user":"ada"}'
CHAT_STREAM = to_stream(CHAT, json.dumps(COMPLETION).encode())


class FakeLedger:
    """The entries that were written, and how many events had been given out by then."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, int]] = []
        self.handed_out = 0
        self.before: list[int] = []
        self.writing = asyncio.Event()
        """While it is cleared, writing waits."""
        self.writing.set()

    async def write(self, error: TidegateError | None, cost_nanos: int, served_by: str) -> None:  # noqa: ARG002  # the protocol has it
        self.before.append(self.handed_out)
        await self.writing.wait()
        self.lines.append((error.name if error else "ok", cost_nanos))


@pytest.fixture(autouse=True)
async def _no_complaints() -> AsyncIterator[None]:
    async with no_loop_errors():
        yield


def requested_form(
    route: Endpoint = CHAT, *, stream: bool = True, usage_chunk: bool = True, echo: str = ""
) -> RequestedForm:
    return RequestedForm(endpoint=route, stream=stream, usage_chunk=usage_chunk, echo=echo)


def stored_answer(content: list[bytes] | dict[str, Any], echo: str = "") -> BufferedAnswer:
    """A stored answer: a stream's events, or a body."""
    body = [json.dumps(content).encode()] if isinstance(content, dict) else content
    return BufferedAnswer(AnswerHead(stream=isinstance(content, list), served_by="openai/m", echo=echo), body)


def flight(source: ScriptedSource) -> Flight:
    return Flight(source, on_end=lambda _: None)


async def read_stream(delivery: ClientResponse, ledger: FakeLedger | None = None) -> list[bytes]:
    """The whole stream, as a client would read it."""
    await delivery.head()
    handed_out: list[bytes] = []
    while (one := await delivery.next()) is not None:
        handed_out.append(one)
        if ledger is not None:
            ledger.handed_out = len(handed_out)
    return handed_out


async def test_a_stream_goes_through_byte_for_byte() -> None:
    delivery = ClientResponse(stored_answer(CHAT_STREAM), requested_form(), cache="hit", age=12.0)
    assert await read_stream(delivery) == CHAT_STREAM
    assert await delivery.next() is None
    assert (delivery.cache, delivery.age, delivery.cost_nanos) == ("hit", 12.0, 0)
    await delivery.close()


async def test_the_usage_chunk_is_given_to_callers_that_requested_it() -> None:
    without = await read_stream(
        ClientResponse(stored_answer(CHAT_STREAM), requested_form(usage_chunk=False), cache="hit")
    )
    assert [one for one in CHAT_STREAM if one not in without] == [CHAT_STREAM[-2]]
    assert b'"usage":{' in CHAT_STREAM[-2]
    assert without[-1] == sse.DONE


async def test_a_stream_is_put_together_for_who_wants_it_whole() -> None:
    delivery = ClientResponse(stored_answer(CHAT_STREAM), requested_form(stream=False, usage_chunk=False), cache="hit")
    assert json.loads(await delivery.body()) == COMPLETION, "usage included"


async def test_a_whole_answer_is_streamed_for_who_wants_a_stream() -> None:
    assert await read_stream(ClientResponse(stored_answer(COMPLETION), requested_form(), cache="hit")) == CHAT_STREAM
    without = await read_stream(
        ClientResponse(stored_answer(COMPLETION), requested_form(usage_chunk=False), cache="hit")
    )
    assert without == [*CHAT_STREAM[:-2], sse.DONE]


async def test_a_whole_answer_stays_whole_byte_for_byte() -> None:
    body = b'{ "choices": [],\n "x": 1.50 }'
    delivery = ClientResponse(
        BufferedAnswer(AnswerHead(stream=False, served_by="m"), [body]), requested_form(stream=False), cache="hit"
    )
    assert await delivery.body() == body


@pytest.mark.parametrize("stored", [RESPONSE, to_stream(RESPONSES, json.dumps(RESPONSE).encode())])
@pytest.mark.parametrize(("echo", "user", "metadata"), [("", None, {}), ('{"user":"bob"}', "bob", {})])
async def test_no_caller_reads_the_values_of_another_one(
    stored: list[bytes] | dict[str, Any], echo: str, user: str | None, metadata: dict[str, str]
) -> None:
    whole = await ClientResponse(
        stored_answer(stored, ADA), requested_form(RESPONSES, stream=False, echo=echo), cache="hit"
    ).body()
    stream = b"".join(
        await read_stream(ClientResponse(stored_answer(stored, ADA), requested_form(RESPONSES, echo=echo), cache="hit"))
    )
    for content in (whole, stream):
        assert b"hers" not in content
        assert b'"ada"' not in content
    assert (json.loads(whole)["user"], json.loads(whole)["metadata"]) == (user, metadata)
    assert stream.count(b'"user":"bob"') == (3 if user else 0)


async def test_a_caller_with_the_same_values_reads_the_same_bytes() -> None:
    stored = to_stream(RESPONSES, json.dumps(RESPONSE, indent=None).encode())
    assert (
        await read_stream(ClientResponse(stored_answer(stored, ADA), requested_form(RESPONSES, echo=ADA), cache="hit"))
        == stored
    )


async def test_an_answer_that_cannot_take_the_form_is_a_typed_error_and_booked_as_such() -> None:
    ledger = FakeLedger()
    delivery = ClientResponse(
        stored_answer({"choices": None}),
        requested_form(),
        cache="joined",
        join_entry=ledger,
    )
    with pytest.raises(MalformedAnswer):
        await read_stream(delivery)
    await delivery.close()
    other = ClientResponse(
        stored_answer([sse.encode(b"[1]")]), requested_form(stream=False), cache="joined", join_entry=ledger
    )
    with pytest.raises(MalformedAnswer):
        await other.body()
    await other.close()
    assert ledger.lines == [("malformed_answer", 0), ("malformed_answer", 0)]


@pytest.mark.parametrize("last", [sse.DONE, b"data:[DONE]\n\n"])
async def test_a_stream_is_booked_once_before_its_terminal_event(last: bytes) -> None:
    source = ScriptedSource.of(CHAT_STREAM[:-1], [last], cost=1234)
    ledger = FakeLedger()
    delivery = ClientResponse(
        flight(source),
        requested_form(),
        cache="joined",
        join_entry=ledger,
    )
    assert await read_stream(delivery, ledger) == [*CHAT_STREAM[:-1], last]
    assert ledger.before == [len(CHAT_STREAM) - 1]
    await delivery.close()
    assert [line for line, _ in ledger.lines] == ["ok"]


async def test_a_responses_stream_is_booked_once_before_its_terminal_event() -> None:
    ledger = FakeLedger()
    stored = to_stream(RESPONSES, json.dumps(RESPONSE).encode())
    delivery = ClientResponse(
        stored_answer(stored, ADA), requested_form(RESPONSES, echo=ADA), cache="joined", join_entry=ledger
    )
    await read_stream(delivery, ledger)
    await delivery.close()
    assert (ledger.before, ledger.lines) == ([len(stored) - 1], [("ok", 0)])


async def test_a_whole_answer_is_booked_before_it_is_handed_out_with_what_it_saved() -> None:
    source = ScriptedSource.of(
        [json.dumps(COMPLETION).encode()], cost=1234, head=AnswerHead(stream=False, served_by="m")
    )
    ledger = FakeLedger()
    delivery = ClientResponse(
        flight(source),
        requested_form(stream=False),
        cache="joined",
        join_entry=ledger,
    )
    assert json.loads(await delivery.body()) == COMPLETION
    assert ledger.lines == [("ok", 1234)]
    assert delivery.cost_nanos == 0, "another paid"
    await delivery.close()
    assert ledger.lines == [("ok", 1234)]


@pytest.mark.parametrize(("cache", "cost"), [("miss", 1234), ("off", 1234), ("joined", 0), ("hit", 0)])
async def test_the_caller_that_made_the_call_knows_its_cost(cache: str, cost: int) -> None:
    delivery = ClientResponse(
        flight(ScriptedSource.of(CHAT_STREAM, cost=1234)), requested_form(stream=False), cache=cache
    )
    await delivery.body()
    assert delivery.cost_nanos == cost
    await delivery.close()


@pytest.mark.parametrize("begun", [True, False])
async def test_who_leaves_early_is_booked_as_gone(begun: bool) -> None:
    source = ScriptedSource()
    if begun:
        source.begin()
        source.add_events(events(0))
    ledger = FakeLedger()
    delivery = ClientResponse(
        journey := flight(source),
        requested_form(),
        cache="joined",
        join_entry=ledger,
    )
    if begun:
        await delivery.head()
        await delivery.next()
    await delivery.close()
    assert ledger.lines == [(ClientDisconnected.name, 0)]
    await journey.wait_settled()
    assert source.abandon_count == 1


async def test_who_leaves_is_gone_at_once_however_slow_the_ledger_is() -> None:
    source = ScriptedSource()
    ledger = FakeLedger()
    ledger.writing.clear()
    delivery = ClientResponse(
        journey := flight(source),
        requested_form(),
        cache="joined",
        join_entry=ledger,
    )
    leaving = asyncio.create_task(delivery.close())
    await run_ready_tasks()
    assert source.abandon_count == 1
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    ledger.writing.set()
    await run_ready_tasks()
    assert ledger.lines == [(ClientDisconnected.name, 0)], "and is booked all the same"
    await journey.wait_settled()


async def test_a_failure_is_booked_by_its_name_once() -> None:
    for fail_at in ("opening", "streaming", "whole"):
        source, ledger = ScriptedSource(), FakeLedger()
        if fail_at != "opening":
            source.begin()
            source.add_events(CHAT_STREAM[:1])
        error = UpstreamRateLimited() if fail_at == "opening" else TruncatedAnswer()
        source.fail(error)
        delivery = ClientResponse(
            flight(source), requested_form(stream=fail_at != "whole"), cache="joined", join_entry=ledger
        )
        with pytest.raises(type(error)):
            await (delivery.body() if fail_at == "whole" else read_stream(delivery))
        with pytest.raises(type(error)):
            await delivery.body()
        await delivery.close()
        assert ledger.lines == [(error.name, 0)], fail_at


async def test_heartbeats_interrupt_the_waiting_and_even_the_booking_without_loss() -> None:
    source, ledger = ScriptedSource(), FakeLedger()
    ledger.writing.clear()
    delivery = ClientResponse(
        flight(source),
        requested_form(),
        cache="joined",
        join_entry=ledger,
    )

    async def patient(wait: Any) -> Any:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(wait(), 0.002)

    await patient(delivery.head)
    source.begin()
    assert await delivery.head() == HEAD
    await patient(delivery.next)
    source.add_events(events(0))
    assert await delivery.next() == events(0)[0]
    source.add_events([sse.DONE])
    source.end()
    await patient(delivery.next)
    ledger.writing.set()
    assert [await delivery.next(), await delivery.next()] == [sse.DONE, None]
    await delivery.close()
    assert ledger.lines == [("ok", 0)]


async def test_who_is_the_first_needs_no_book() -> None:
    delivery = ClientResponse(flight(ScriptedSource.of(CHAT_STREAM)), requested_form(), cache="miss")
    assert await read_stream(delivery) == CHAT_STREAM
    await delivery.close()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("reason", "outcome"), [("stop", "ok"), (None, "unfinished_answer")])
async def test_a_joined_answer_that_does_not_say_why_it_ended_is_marked(
    stream: bool, reason: str | None, outcome: str
) -> None:
    """As the entry of the call that was joined is."""
    (choice,) = COMPLETION["choices"]
    for content in ({**COMPLETION, "choices": [{**choice, "finish_reason": reason}]}, _chunks(reason)):
        ledger = FakeLedger()
        joined = ClientResponse(
            stored_answer(content), requested_form(stream=stream), cache="joined", join_entry=ledger
        )
        await (read_stream(joined) if stream else joined.body())
        await joined.close()
        assert ledger.lines == [(outcome, 0)]


def _chunks(reason: str | None) -> list[bytes]:
    return [one if reason else one.replace(b'"stop"', b"null") for one in CHAT_STREAM]
