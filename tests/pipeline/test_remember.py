"""Nobody hears the end of an answer before it is committed, and an answer that breaks off is committed as such."""

import asyncio

import pytest

from tidegate.cache.buffered_answer import Given
from tidegate.core import endpoints
from tidegate.core.errors import ClientGone, PostgresUnavailable, ServerFailure, TidegateError
from tidegate.core.values import AnswerHead
from tidegate.pipeline.delivery import Delivery, Wanted
from tidegate.pipeline.remember import Remembering

CHUNK = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
USAGE = b'data: {"id":"c","choices":[],"usage":{"total_tokens":3}}\n\n'
DONE = b"data: [DONE]\n\n"


class Notebook:
    """A memory that notes what it is told."""

    def __init__(self, *, failing: TidegateError | None = None) -> None:
        self.heard: list[bytes] = []
        self.kept: list[str] = []
        self.here = True
        self.may_keep = asyncio.Event()
        self.may_keep.set()
        self._failing = failing

    def event(self, event: bytes) -> bytes:
        self.heard.append(event)
        return event.replace(b'"c"', b'"ours"')

    def whole(self, body: bytes) -> bytes:
        self.heard.append(body)
        return body.replace(b"theirs", b"ours")

    async def keep(self) -> None:
        await self.may_keep.wait()
        if self._failing:
            raise self._failing
        self.kept.append("whole")

    async def leave(self) -> None:
        self.here = False

    async def keep_broken(self, error: TidegateError) -> None:
        self.kept.append(error.name)
        if self._failing:
            raise self._failing


class Broken(Given):
    """An answer that breaks off after its events."""

    def __init__(self, events: list[bytes], error: TidegateError) -> None:
        super().__init__(AnswerHead(stream=True, served_by="p/m"), events)
        self._error = error

    async def event(self, index: int) -> bytes | None:
        found = await super().event(index)
        if found is None:
            raise self._error
        return found


def passage(
    memory: Notebook,
    events: list[bytes],
    *,
    stream: bool = True,
    usage_chunk: bool = False,
    broken: TidegateError | None = None,
) -> Remembering:
    head = AnswerHead(stream=stream, served_by="p/m")
    journey = Given(head, events) if broken is None else Broken(events, broken)
    wanted = Wanted(route=endpoints.CHAT, stream=stream, usage_chunk=usage_chunk, echo="")
    return Remembering(Delivery(journey, wanted, cache="hit"), memory)


async def test_the_last_event_waits_for_the_commit() -> None:
    memory = Notebook()
    memory.may_keep.clear()
    answer = passage(memory, [CHUNK, DONE])
    assert await answer.next() == CHUNK.replace(b'"c"', b'"ours"')
    last = asyncio.create_task(answer.next())
    await asyncio.sleep(0)
    assert memory.heard == [CHUNK, DONE]
    assert not last.done()
    memory.may_keep.set()
    assert await last == DONE
    assert memory.kept == ["whole"]
    assert await answer.next() is None


async def test_the_usage_is_remembered_also_where_its_caller_did_not_ask_for_it() -> None:
    for asked, expected in ((False, [CHUNK, DONE]), (True, [CHUNK, USAGE, DONE])):
        memory = Notebook()
        answer = passage(memory, [CHUNK, USAGE, DONE], usage_chunk=asked)
        given = [event async for event in _all(answer)]
        assert [event.replace(b'"ours"', b'"c"') for event in given] == expected
        assert memory.heard == [CHUNK, USAGE, DONE]


async def _all(answer: Remembering):  # type: ignore[no-untyped-def]  # noqa: ANN202  # an asynchronous generator of bytes
    while (event := await answer.next()) is not None:
        yield event


async def test_a_wait_that_is_cancelled_loses_neither_the_event_nor_the_commit() -> None:
    memory = Notebook()
    memory.may_keep.clear()
    answer = passage(memory, [DONE])
    first = asyncio.create_task(answer.next())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    memory.may_keep.set()
    assert await answer.next() == DONE
    assert memory.kept == ["whole"]


async def test_an_answer_in_one_piece_waits_too() -> None:
    memory = Notebook()
    assert await passage(memory, [b'{"id":"theirs"}'], stream=False).whole() == b'{"id":"ours"}'
    assert memory.kept == ["whole"]


@pytest.mark.parametrize("stream", [False, True])
async def test_what_cannot_be_kept_is_not_given(stream: bool) -> None:
    answer = passage(Notebook(failing=PostgresUnavailable()), [DONE if stream else b"{}"], stream=stream)
    with pytest.raises(PostgresUnavailable):
        await (answer.next() if stream else answer.whole())


@pytest.mark.parametrize("failing", [None, PostgresUnavailable()])
async def test_an_answer_that_breaks_off_says_why_whether_or_not_it_can_be_kept(failing: TidegateError | None) -> None:
    memory = Notebook(failing=failing)
    answer = passage(memory, [CHUNK], broken=ServerFailure())
    await answer.next()
    with pytest.raises(ServerFailure):
        await answer.next()
    assert memory.kept == ["server_error"]


async def test_who_is_gone_leaves_nothing_behind() -> None:
    memory = Notebook()
    answer = passage(memory, [CHUNK], broken=ClientGone())
    await answer.next()
    with pytest.raises(ClientGone):
        await answer.next()
    assert memory.here
    await answer.leave()
    assert not memory.here
    assert memory.kept == []


async def test_it_tells_what_the_delivery_tells() -> None:
    answer = passage(Notebook(), [CHUNK, DONE])
    assert (answer.cache, answer.age, answer.cost_nanos) == ("hit", None, 0)
    assert (await answer.opened()).served_by == "p/m"
    assert answer.allowance.requests is None
