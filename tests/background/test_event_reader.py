"""A stream is read from any event on, as it comes, by any number of readers, none of which it needs."""

import asyncio

import pytest

from tests.background.conftest import Made
from tests.background.parts import WORDS, Process, ScriptedEvents, ScriptedRunner, decoded, stream
from tests.eventually import PATIENCE_SECONDS
from tidegate.background.event_reader import EventReader
from tidegate.core.errors import GatewayRestarted, PostgresUnavailable, TidegateError

COUNT = len(stream()) + 1  # one more: `response.queued`


def reader(process: Process, after: int = -1, project: str = "shop", name: str = "resp_1") -> EventReader:
    return EventReader(
        process.log,
        process.notifications,
        project=project,
        response_id=name,
        after=after,
        deleted_error=lambda: TidegateError("gone"),
    )


async def read(one: EventReader) -> list[bytes]:
    """To its end."""
    events: list[bytes] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (event := await one.event(len(events))) is not None:
            events.append(event)
    return events


async def test_what_is_said_is_read_as_it_comes(process: Made) -> None:
    said = ScriptedEvents()
    async with process(ScriptedRunner(said)).running() as p1:
        await p1.add()
        one = reader(p1)
        assert (await one.head()).stream
        for index in range(2):
            assert await one.event(index)
        events = stream()
        said.push(*events[:4])
        assert decoded([await one.event(2) or b""])[0]["type"] == "response.in_progress"
        said.push(*events[4:])
        said.end()
        rest = [await one.event(index) for index in range(3, COUNT)]
        assert await one.event(COUNT) is None
        assert decoded([last for last in rest[-1:] if last])[0]["type"] == "response.completed"


async def test_two_processes_read_the_same(process: Made) -> None:
    said = ScriptedEvents()
    async with process(ScriptedRunner(said)).running() as p1, process(name="p2").listening() as p2:
        await p1.add()
        both = [asyncio.create_task(read(reader(p))) for p in (p1, p2)]
        said.push(*stream())
        said.end()
        here, there = await asyncio.gather(*both)
    assert here == there
    documents = decoded(here)
    assert [one["sequence_number"] for one in documents] == list(range(COUNT))
    assert "".join(one["delta"] for one in documents if one["type"] == "response.output_text.delta") == WORDS


@pytest.mark.parametrize("after", [-1, 0, 5, COUNT - 2, COUNT - 1, COUNT + 7])
async def test_from_where_it_was_left(process: Made, after: int) -> None:
    said = ScriptedEvents()
    said.push(*stream())
    said.end()
    async with process(ScriptedRunner(said)).running() as p1:
        await p1.add()
        everything = await read(reader(p1))
        assert await read(reader(p1, after)) == everything[after + 1 :]


async def test_a_reader_may_be_interrupted_and_ask_again(process: Made) -> None:
    said = ScriptedEvents()
    async with process(ScriptedRunner(said)).running() as p1:
        await p1.add()
        one = reader(p1, after=1)
        waiting = asyncio.create_task(one.event(0))
        await asyncio.wait({waiting}, timeout=0.05)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        said.push(*stream())
        said.end()
        assert len(await read(one)) == COUNT - 2


async def test_a_deleted_response_is_gone(process: Made) -> None:
    p1 = process()
    with pytest.raises(TidegateError, match="gone"):
        await reader(p1).event(0)


async def test_another_projects_response_is_none(process: Made) -> None:
    said = ScriptedEvents()
    async with process(ScriptedRunner(said)).running() as p1:
        await p1.add()
        with pytest.raises(TidegateError, match="gone"):
            await reader(p1, project="bank").event(0)


async def test_a_reader_ends_nothing(process: Made) -> None:
    said = ScriptedEvents()
    async with process(ScriptedRunner(said)).running() as p1:
        await p1.add()
        one = reader(p1)
        one.subscribe()
        await one.event(0)
        one.unsubscribe()
        said.push(*stream())
        said.end()
        assert len(await read(reader(p1))) == COUNT


def test_its_patience_ends() -> None:
    assert issubclass(PostgresUnavailable, TidegateError)
    assert GatewayRestarted().retryable
