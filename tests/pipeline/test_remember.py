"""No caller receives the end of an answer before it is committed; an answer that breaks off is stored as failed."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tidegate.core import endpoints
from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.errors import ClientDisconnected, PostgresUnavailable, TidegateError, UpstreamServerError
from tidegate.core.values import AnswerHead
from tidegate.pipeline.delivery import ClientResponse, RequestedForm
from tidegate.pipeline.remember import RecordedResponse

CHUNK = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
USAGE = b'data: {"id":"c","choices":[],"usage":{"total_tokens":3}}\n\n'
DONE = b"data: [DONE]\n\n"


class FakeRecorder:
    """A recorder that notes its calls."""

    def __init__(self, *, failing: TidegateError | None = None) -> None:
        self.events: list[bytes] = []
        self.kept: list[str] = []
        self.is_open = True
        self.may_keep = asyncio.Event()
        self.may_keep.set()
        self._failing = failing

    def rewrite_event(self, event: bytes) -> bytes:
        self.events.append(event)
        return event.replace(b'"c"', b'"ours"')

    def rewrite_body(self, body: bytes) -> bytes:
        self.events.append(body)
        return body.replace(b"theirs", b"ours")

    async def save(self) -> None:
        await self.may_keep.wait()
        if self._failing:
            raise self._failing
        self.kept.append("whole")

    async def release(self) -> None:
        self.is_open = False

    async def save_failure(self, error: TidegateError) -> None:
        self.kept.append(error.name)
        if self._failing:
            raise self._failing


class FailingSource(BufferedAnswer):
    """An answer that breaks off after its events."""

    def __init__(self, events: list[bytes], error: TidegateError) -> None:
        super().__init__(AnswerHead(stream=True, served_by="p/m"), events)
        self._error = error

    async def event(self, index: int) -> bytes | None:
        found = await super().event(index)
        if found is None:
            raise self._error
        return found


def recorded_response(
    memory: FakeRecorder,
    events: list[bytes],
    *,
    stream: bool = True,
    usage_chunk: bool = False,
    broken: TidegateError | None = None,
) -> RecordedResponse:
    head = AnswerHead(stream=stream, served_by="p/m")
    journey = BufferedAnswer(head, events) if broken is None else FailingSource(events, broken)
    wanted = RequestedForm(endpoint=endpoints.CHAT, stream=stream, usage_chunk=usage_chunk, echo="")
    return RecordedResponse(ClientResponse(journey, wanted, cache="hit"), memory)


async def test_the_last_event_waits_for_the_commit() -> None:
    memory = FakeRecorder()
    memory.may_keep.clear()
    answer = recorded_response(memory, [CHUNK, DONE])
    assert await answer.next() == CHUNK.replace(b'"c"', b'"ours"')
    last = asyncio.create_task(answer.next())
    await asyncio.sleep(0)
    assert memory.events == [CHUNK, DONE]
    assert not last.done()
    memory.may_keep.set()
    assert await last == DONE
    assert memory.kept == ["whole"]
    assert await answer.next() is None


async def test_the_usage_is_remembered_also_where_its_caller_did_not_ask_for_it() -> None:
    for is_requested, expected in ((False, [CHUNK, DONE]), (True, [CHUNK, USAGE, DONE])):
        memory = FakeRecorder()
        answer = recorded_response(memory, [CHUNK, USAGE, DONE], usage_chunk=is_requested)
        given = [event async for event in all_events(answer)]
        assert [event.replace(b'"ours"', b'"c"') for event in given] == expected
        assert memory.events == [CHUNK, USAGE, DONE]


async def all_events(answer: RecordedResponse) -> AsyncIterator[bytes]:
    while (event := await answer.next()) is not None:
        yield event


async def test_a_wait_that_is_cancelled_loses_neither_the_event_nor_the_commit() -> None:
    memory = FakeRecorder()
    memory.may_keep.clear()
    answer = recorded_response(memory, [DONE])
    first = asyncio.create_task(answer.next())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    memory.may_keep.set()
    assert await answer.next() == DONE
    assert memory.kept == ["whole"]


async def test_an_answer_in_one_piece_waits_too() -> None:
    memory = FakeRecorder()
    assert await recorded_response(memory, [b'{"id":"theirs"}'], stream=False).body() == b'{"id":"ours"}'
    assert memory.kept == ["whole"]


@pytest.mark.parametrize("stream", [False, True])
async def test_what_cannot_be_kept_is_not_given(stream: bool) -> None:
    answer = recorded_response(FakeRecorder(failing=PostgresUnavailable()), [DONE if stream else b"{}"], stream=stream)
    with pytest.raises(PostgresUnavailable):
        await (answer.next() if stream else answer.body())


@pytest.mark.parametrize("failing", [None, PostgresUnavailable()])
async def test_an_answer_that_breaks_off_says_why_whether_or_not_it_can_be_kept(failing: TidegateError | None) -> None:
    memory = FakeRecorder(failing=failing)
    answer = recorded_response(memory, [CHUNK], broken=UpstreamServerError())
    await answer.next()
    with pytest.raises(UpstreamServerError):
        await answer.next()
    assert memory.kept == ["server_error"]


async def test_who_is_gone_leaves_nothing_behind() -> None:
    memory = FakeRecorder()
    answer = recorded_response(memory, [CHUNK], broken=ClientDisconnected())
    await answer.next()
    with pytest.raises(ClientDisconnected):
        await answer.next()
    assert memory.is_open
    await answer.close()
    assert not memory.is_open
    assert memory.kept == []


async def test_it_tells_what_the_delivery_tells() -> None:
    answer = recorded_response(FakeRecorder(), [CHUNK, DONE])
    assert (answer.cache, answer.age, answer.cost_nanos) == ("hit", None, 0)
    assert (await answer.head()).served_by == "p/m"
    assert answer.remaining_limits.requests is None
