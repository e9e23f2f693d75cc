"""Jobs are taken once, by whoever has room; those of a dead process by another; and the schema is the library's own."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pgqueuer.adapters.persistence.queries import Queries

from tests.eventually import wait_until, wait_until_async
from tidegate.background.job import JobDone, QueueOutcome, Requeue, TakenOver
from tidegate.background.job_queue import JobQueue
from tidegate.core.clock import SystemClock
from tidegate.storage.postgres import Postgres

LIFE = "SELECT min(extract(epoch FROM heartbeat - created)) FROM pgqueuer"


class Workers:
    """Several queues on one database, and what they were given."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self.given: list[tuple[str, str]] = []
        self.ends: dict[str, list[QueueOutcome]] = {}
        self.hold = asyncio.Event()
        self.hold.set()
        self.queues: list[JobQueue] = []

    def queue(self, name: str, concurrency: int = 4, lease: float = 0.4) -> JobQueue:
        queue = JobQueue(
            self.postgres, concurrency=concurrency, lease_seconds=lease, poll_seconds=0.05, clock=SystemClock()
        )

        async def work(job: str) -> QueueOutcome:
            self.given.append((name, job))
            await self.hold.wait()
            ends = self.ends.get(job)
            return ends.pop(0) if ends else JobDone()

        queue.start(work)
        self.queues.append(queue)
        return queue

    async def put(self, *jobs: str, priority: int = 0) -> None:
        queue = JobQueue(self.postgres, concurrency=2, lease_seconds=1, poll_seconds=1, clock=SystemClock())
        async with self.postgres.connection() as connection, connection.transaction():
            for job in jobs:
                await queue.put(connection, job, priority=priority)

    async def rows(self) -> int:
        async with self.postgres.connection() as connection:
            return int(await connection.fetchval("SELECT count(*) FROM pgqueuer"))

    async def lived(self, seconds: float) -> None:
        """Wait until each job has shown a sign of life so long after it was put in."""

        async def have() -> bool:
            async with self.postgres.connection() as connection:
                return bool(await connection.fetchval(LIFE) >= seconds)

        await wait_until_async(have)

    async def emptied(self) -> None:
        async def empty() -> bool:
            return await self.rows() == 0

        await wait_until_async(empty)


@pytest.fixture
async def workers(postgres: Postgres) -> AsyncIterator[Workers]:
    workers = Workers(postgres)
    yield workers
    workers.hold.set()
    await asyncio.gather(*(queue.close() for queue in workers.queues))


async def test_each_job_is_done_once(workers: Workers) -> None:
    for name in ("p1", "p2", "p3"):
        workers.queue(name)
    jobs = [f"resp_{n}" for n in range(30)]
    await workers.put(*jobs)
    await workers.emptied()
    assert sorted(job for _, job in workers.given) == sorted(jobs)


async def test_no_more_at_once_than_there_is_room_for(workers: Workers) -> None:
    workers.hold.clear()
    workers.queue("p1", concurrency=2)
    await workers.put("resp_1", "resp_2", "resp_3")
    await wait_until(lambda: len(workers.given) == 2)
    workers.hold.set()
    await workers.emptied()
    assert len(workers.given) == 3


async def test_the_highest_priority_goes_first(workers: Workers) -> None:
    await workers.put("resp_low", priority=-9)
    await workers.put("resp_high", priority=-1)
    workers.queue("p1", concurrency=2)
    await workers.emptied()
    assert [job for _, job in workers.given] == ["resp_high", "resp_low"]


async def test_what_is_put_off_comes_again(workers: Workers) -> None:
    workers.ends["resp_1"] = [Requeue(0.05), Requeue()]
    workers.queue("p1")
    await workers.put("resp_1")
    await workers.emptied()
    assert [job for _, job in workers.given] == ["resp_1"] * 3


async def test_what_is_another_workers_stays_in_the_queue(workers: Workers) -> None:
    workers.ends["resp_1"] = [TakenOver()]
    workers.queue("p1")
    await workers.put("resp_1")
    await workers.emptied()  # its heartbeat grows old, and it is taken again
    assert [job for _, job in workers.given] == ["resp_1", "resp_1"]


async def test_the_job_of_a_silent_process_is_anothers(workers: Workers) -> None:
    workers.hold.clear()
    dead = workers.queue("p1")
    await workers.put("resp_1")
    await wait_until(lambda: workers.given == [("p1", "resp_1")])
    assert dead._run_task is not None  # noqa: SLF001  # as kill -9 would, without a last word
    for task in asyncio.all_tasks():
        if "Heartbeat" in repr(task) or task is dead._run_task:  # noqa: SLF001  # the same
            task.cancel()
    workers.queues.remove(dead)
    workers.queue("p2")
    await wait_until(lambda: ("p2", "resp_1") in workers.given)


async def test_a_living_process_keeps_its_jobs(workers: Workers) -> None:
    workers.hold.clear()
    workers.queue("p1", lease=1.0)
    await workers.put("resp_1")
    await wait_until(lambda: len(workers.given) == 1)
    other = workers.queue("p2", lease=1.0)
    await workers.put("resp_2", "resp_3", "resp_4", "resp_5")
    await wait_until(lambda: len(workers.given) == 5)
    await workers.lived(seconds=2.5)  # two leases and a half
    other.wake()
    workers.hold.set()
    await workers.emptied()
    assert len(workers.given) == 5


async def test_a_process_that_ends_finishes_what_it_has_and_takes_no_more(workers: Workers) -> None:
    workers.hold.clear()
    queue = workers.queue("p1", concurrency=2)
    await workers.put("resp_1", "resp_2", "resp_3")
    await wait_until(lambda: len(workers.given) == 2)
    closing = asyncio.create_task(queue.close())
    workers.hold.set()
    await closing
    assert len(workers.given) == 2
    assert await workers.rows() == 1


async def test_its_log_is_not_kept_for_ever(workers: Workers) -> None:
    queue = workers.queue("p1")
    await workers.put("resp_1")
    await workers.emptied()
    async with workers.postgres.connection() as connection:
        await connection.execute("UPDATE pgqueuer_log SET created = now() - interval '2 days' WHERE status <> 'picked'")
        await queue.delete_old_log()
        left = await connection.fetch("SELECT status::text FROM pgqueuer_log")
    assert {row[0] for row in left} == {"picked"}


async def test_the_schema_is_what_the_library_wants(postgres: Postgres) -> None:
    queue = JobQueue(postgres, concurrency=2, lease_seconds=1, poll_seconds=1, clock=SystemClock())
    queries: Queries = queue._repository  # noqa: SLF001  # the library's own view of the schema
    assert list((await queries.plan_upgrade()).statements) == []
