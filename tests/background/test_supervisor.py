"""A process runs jobs, releases them at shutdown, notices cancelled ones, and survives faults in its checks."""

import asyncio
from collections.abc import Collection

from structlog.testing import capture_logs

from tests.background.conftest import Made
from tests.background.parts import ScriptedEvents, ScriptedRunner, stream
from tests.eventually import PATIENCE_SECONDS, wait_until
from tidegate.background.job_queue import JobQueue
from tidegate.background.job_store import JobStore
from tidegate.background.supervisor import WorkerSupervisor
from tidegate.core.clock import SystemClock
from tidegate.storage.postgres import Postgres


class FaultyStore(JobStore):
    """A store whose first check of attempts fails."""

    checks = 0

    async def current_attempts(self, response_ids: Collection[str]) -> dict[str, int]:
        """Fail once, then answer."""
        self.checks += 1
        if self.checks == 1:
            raise ZeroDivisionError
        return await super().current_attempts(response_ids)


class FaultyQueue(JobQueue):
    """A queue whose first cleanup fails."""

    cleanups = 0

    async def delete_old_log(self) -> None:
        """Fail once, then delete."""
        self.cleanups += 1
        if self.cleanups == 1:
            raise ZeroDivisionError
        await super().delete_old_log()


async def test_another_process_completes_a_released_job(process: Made) -> None:
    held, said = ScriptedEvents(), ScriptedEvents()
    first, second = ScriptedRunner(held), ScriptedRunner(said)
    p1, p2 = process(first), process(second, name="p2")
    async with p1.running():
        await p1.add()
        await wait_until(lambda: bool(first.attempts))
        held.push(*stream()[:6])
    assert held.closed.is_set()
    (job,) = await p1.store.open_jobs()
    assert (job.status, job.deaths) == ("queued", 0)
    said.push(*stream())
    said.end()
    async with p2.running():
        await wait_until(lambda: second.writes == ["resp_1 in_progress", "resp_1 completed"])


async def test_a_job_that_ends_within_the_grace_period_is_not_released(process: Made) -> None:
    said = ScriptedEvents()
    script = ScriptedRunner(said)
    p1 = process(script, grace=10)
    async with p1.running():
        await p1.add()
        await wait_until(lambda: bool(script.attempts))
        said.push(*stream())
        said.end()
    assert script.writes == ["resp_1 in_progress", "resp_1 completed"]


async def test_a_deleted_job_is_noticed_without_a_notification(process: Made, postgres: Postgres) -> None:
    said = ScriptedEvents()
    script = ScriptedRunner(said)
    async with process(script).running() as p1:
        await p1.add()
        await wait_until(lambda: bool(script.attempts))
        async with postgres.connection() as connection:
            await connection.execute("DELETE FROM background_jobs")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await said.closed.wait()
        await wait_until(lambda: not p1.worker.active_jobs)
    async with postgres.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM pgqueuer") == 0


async def test_a_fault_in_one_check_of_attempts_leaves_the_next_one(process: Made, postgres: Postgres) -> None:
    events = ScriptedEvents()
    runner = ScriptedRunner(events)
    p1 = process(runner)
    store = FaultyStore(postgres)
    supervisor = WorkerSupervisor(p1.queue, store, p1.notifications, p1.worker, grace_seconds=0.0)
    with capture_logs() as logs:
        await supervisor.start()
        await p1.add()
        await wait_until(lambda: store.checks >= 2)
        await supervisor.close()
    faults = [line for line in logs if line["event"] == "periodic task fails and will retry"]
    assert [(line["task"], line["error"]) for line in faults] == [("background-attempt-check", "ZeroDivisionError")]


async def test_a_fault_in_one_sweep_leaves_the_next_one(process: Made, postgres: Postgres) -> None:
    p1 = process()
    queue = FaultyQueue(postgres, concurrency=2, lease_seconds=0.5, poll_seconds=0.1, clock=SystemClock())
    supervisor = WorkerSupervisor(queue, p1.store, p1.notifications, p1.worker, grace_seconds=0.0, sweep_seconds=0.01)
    with capture_logs() as logs:
        await supervisor.start()
        await wait_until(lambda: queue.cleanups >= 3)
        await supervisor.close()
    faults = [line for line in logs if line["event"] == "periodic task fails and will retry"]
    assert [(line["task"], line["error"]) for line in faults] == [("background-sweep", "ZeroDivisionError")]
