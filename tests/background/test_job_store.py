"""A job is added, taken up, said and ended by transactions, and only by the attempt that holds it."""

import msgspec
import pytest

from tests.background.conftest import Made
from tests.background.parts import RecordingQueue, decoded, first_events, new_job, no_write, stream
from tidegate.background.job import AlreadyFinished, GiveUp, JobAttempt
from tidegate.background.job_store import JobStore
from tidegate.core.errors import BackgroundQueueFull, BackgroundTimeout, GatewayRestarted
from tidegate.storage.postgres import Connection, Postgres

NOW = 1_790_000_000.0


@pytest.fixture
def store(postgres: Postgres) -> JobStore:
    return JobStore(postgres)


async def add(store: JobStore, name: str = "resp_1", project: str = "shop", weight: int = 4, most: int = 100) -> int:
    """Add a job; its priority in the queue."""
    queue = RecordingQueue()
    job = new_job(name, project, now=NOW, weight=weight)
    await store.add(job, first_events(name), queue, max_open=most, write_response=no_write)
    ((_, priority),) = queue.jobs
    return priority


async def begin(store: JobStore, name: str = "resp_1", worker: str = "p1") -> JobAttempt:
    begun = await store.start_attempt(name, worker=worker, now=NOW, write_started=no_write)
    assert isinstance(begun, JobAttempt)
    return begun


async def test_a_worker_gets_what_was_asked(store: JobStore) -> None:
    await add(store)
    begun = await begin(store)
    assert (begun.number, begun.next_event) == (1, 2)
    assert msgspec.json.decode(begun.body)["input"] == "When is high tide?"
    assert begun.headers == {"openai-beta": "x"}
    (job,) = await store.open_jobs()
    assert (job.status, job.worker, job.started_at) == ("in_progress", "p1", NOW)


async def test_a_project_has_so_many_under_way_and_no_more(store: JobStore) -> None:
    for name in ("resp_1", "resp_2"):
        await add(store, name, most=2)
    with pytest.raises(BackgroundQueueFull, match="has 2 unfinished background responses"):
        await add(store, "resp_3", most=2)
    await add(store, "resp_4", "bank", most=2)
    assert [job.response_id for job in await store.open_jobs("shop")] == ["resp_1", "resp_2"]


async def test_what_is_written_with_a_job_is_written_with_it_or_not_at_all(store: JobStore) -> None:
    async def fails(_: Connection) -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  # made here
        await store.add(new_job(now=NOW), first_events(), RecordingQueue(), max_open=9, write_response=fails)
    assert await store.open_jobs() == []


async def test_projects_take_turns(store: JobStore) -> None:
    flood = [await add(store, f"resp_{n}") for n in range(5)]
    few = [await add(store, f"resp_b{n}", "bank") for n in range(2)]
    order = sorted([*((-p, "shop") for p in flood), *((-p, "bank") for p in few)])
    assert [who for _, who in order][:4].count("bank") == 2


async def test_who_comes_late_does_not_go_before_all_who_wait(store: JobStore) -> None:
    for n in range(4):
        await add(store, f"resp_{n}")
    for n in range(3):
        await begin(store, f"resp_{n}")
    last_of_the_flood = -16  # four jobs of weight 4
    assert await add(store, "resp_b", "bank") <= last_of_the_flood


async def test_a_higher_priority_takes_more_turns(store: JobStore) -> None:
    low = [await add(store, f"resp_l{n}", "low", weight=1) for n in range(3)]
    high = [await add(store, f"resp_h{n}", "high", weight=16) for n in range(3)]
    assert max(low) > max(high) > min(high) > sorted(low)[1]  # all of them after the first that waits


async def test_the_second_attempt_ends_the_first(store: JobStore) -> None:
    await add(store)
    first, second = await begin(store), await begin(store, worker="p2")
    assert await store.current_attempts(["resp_1", "resp_2"]) == {"resp_1": 2}
    assert not await store.append_events(first, 2, stream()[1:2], has_content=False)
    assert await store.append_events(second, 2, stream()[1:2], has_content=False)


async def test_told_twice_it_is_written_once(store: JobStore, process: Made) -> None:
    await add(store)
    begun = await begin(store)
    for _ in range(2):
        assert await store.append_events(begun, 2, stream()[1:4], has_content=True)
    assert len(await process().events()) == 5


async def test_what_nobody_saw_is_taken_back(store: JobStore, process: Made) -> None:
    await add(store)
    begun = await begin(store)
    await store.append_events(begun, 2, stream()[1:2], has_content=False)
    await store.append_events(begun, 3, stream()[2:6], has_content=True)
    again = await begin(store)
    assert again.next_event == 3
    kinds = [one["type"] for one in await process().events()]
    assert kinds == ["response.created", "response.queued", "response.in_progress"]


async def test_what_was_seen_stays(store: JobStore, process: Made) -> None:
    await add(store)
    begun = await begin(store)
    await store.append_events(begun, 2, stream()[1:6], has_content=True)
    said = await process().log.read_after("shop", "resp_1", -1)
    assert said is not None
    assert len(said.events) == 7
    again = await store.start_attempt("resp_1", worker="p2", now=NOW, write_started=no_write)
    assert isinstance(again, GiveUp)
    assert isinstance(again.error, GatewayRestarted)
    assert len(await process().events()) == 7


async def test_a_job_whose_time_is_up_is_not_asked(store: JobStore) -> None:
    await add(store)
    found = await store.start_attempt("resp_1", worker="p1", now=NOW + 3600, write_started=no_write)
    assert isinstance(found, GiveUp)
    assert isinstance(found.error, BackgroundTimeout)


async def test_a_job_handed_back_is_no_death(store: JobStore) -> None:
    await add(store)
    for _ in range(6):
        await store.release(await begin(store))
    (job,) = await store.open_jobs()
    assert (job.status, job.deaths, job.worker) == ("queued", 0, None)


async def test_one_that_ends_every_worker_ends_itself(store: JobStore) -> None:
    await add(store)
    for _ in range(4):
        await begin(store)
    found = await store.start_attempt("resp_1", worker="p1", now=NOW, write_started=no_write)
    assert isinstance(found, GiveUp)
    assert "4 processes ended" in found.error.message


async def test_what_is_over_is_over(store: JobStore, process: Made) -> None:
    await add(store)
    begun = await begin(store)
    async with store.lock_job("resp_1") as (connection, job):
        assert job is not None
        await store.finish(connection, job, stream()[-1])
    assert isinstance(
        await store.start_attempt("resp_1", worker="p2", now=NOW, write_started=no_write), AlreadyFinished
    )
    assert not await store.append_events(begun, 2, stream()[1:2], has_content=False)
    assert await store.current_attempts(["resp_1"]) == {}
    assert await store.open_jobs() == []
    assert [one["type"] for one in await process().events()][-1] == "response.completed"


async def test_no_job_is_a_finished_one(store: JobStore) -> None:
    assert isinstance(
        await store.start_attempt("resp_0", worker="p1", now=NOW, write_started=no_write), AlreadyFinished
    )


async def test_jobs_go_with_their_time(store: JobStore, postgres: Postgres) -> None:
    for name in ("resp_1", "resp_2"):
        await add(store, name)
        async with store.lock_job(name) as (connection, job):
            assert job is not None
            await store.finish(connection, job, stream()[-1])
    async with postgres.connection() as connection:
        await connection.execute("UPDATE background_jobs SET expires_on = current_date WHERE response_id = 'resp_1'")
    await store.delete_expired()
    async with postgres.connection() as connection:
        jobs = await connection.fetch("SELECT response_id FROM background_jobs")
        events = await connection.fetch("SELECT DISTINCT response_id FROM response_events")
    assert [row[0] for row in jobs] == [row[0] for row in events] == ["resp_2"]


async def test_the_first_events_are_there_at_once(store: JobStore, process: Made) -> None:
    await add(store)
    said = await process().log.read_after("shop", "resp_1", -1)
    assert said is not None
    assert [one["sequence_number"] for one in decoded(said.events)] == [0, 1]
