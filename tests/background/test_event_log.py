"""Events are read from any number on, by their own project, and what is read counts as seen."""

import pytest

from tests.background.conftest import Made
from tests.background.parts import Process, decoded, first_events, new_job, no_write, stream
from tidegate.background.job import JobAttempt
from tidegate.storage.postgres import Postgres


@pytest.fixture
async def process_with_events(process: Made) -> Process:
    """A process with a job of which everything but the end was page."""
    one = process()
    queue = one.queue
    await one.store.add(new_job(now=one.clock.now()), first_events(), queue, max_open=9, write_response=no_write)
    begun = await one.store.start_attempt("resp_1", worker="p1", now=one.clock.now(), write_started=no_write)
    assert isinstance(begun, JobAttempt)
    events = stream()[1:-1]
    assert await one.store.append_events(begun, 2, events[:1], has_content=False)
    assert await one.store.append_events(begun, 3, events[1:4], has_content=True)
    assert await one.store.append_events(begun, 6, events[4:], has_content=True)
    return one


LAST = len(stream()) - 1


@pytest.mark.parametrize("after", range(-1, LAST + 3))
async def test_from_any_number_on(process_with_events: Process, after: int) -> None:
    page = await process_with_events.log.read_after("shop", "resp_1", after)
    assert page is not None
    assert not page.is_end
    numbers = [page.first_number + place for place in range(len(page.events))]
    assert numbers == list(range(after + 1, LAST + 1))


async def test_another_project_has_no_such_response(process_with_events: Process) -> None:
    assert await process_with_events.log.read_after("bank", "resp_1", -1) is None
    async with process_with_events.postgres.connection() as connection:
        assert await process_with_events.log.read_all(connection, "bank", "resp_1") == []


async def test_there_is_an_end(process_with_events: Process) -> None:
    async with process_with_events.store.lock_job("resp_1") as (connection, job):
        assert job is not None
        await process_with_events.store.finish(connection, job, stream()[-1])
    for after, count in ((LAST, 1), (LAST + 1, 0), (LAST + 100, 0)):
        page = await process_with_events.log.read_after("shop", "resp_1", after)
        assert page is not None
        assert (len(page.events), page.is_end) == (count, True)


async def test_reading_what_is_only_preamble_does_not_count(process_with_events: Process, postgres: Postgres) -> None:
    now = process_with_events.clock.now()
    again = await process_with_events.store.start_attempt("resp_1", worker="p2", now=now, write_started=no_write)
    assert isinstance(again, JobAttempt)
    page = await process_with_events.log.read_after("shop", "resp_1", -1)
    assert page is not None
    assert [one["type"] for one in decoded(page.events)][-1] == "response.in_progress"
    async with postgres.connection() as connection:
        assert await connection.fetchval("SELECT shown FROM background_jobs") is False
