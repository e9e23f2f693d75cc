"""A process takes jobs while it lives, gives them back when it ends, and hears when they are not wanted any more."""

import asyncio

from tests.background.conftest import Made
from tests.background.parts import ScriptedEvents, ScriptedRunner, stream
from tests.eventually import PATIENCE_SECONDS, wait_until
from tidegate.storage.postgres import Postgres


async def test_a_job_given_back_is_done_by_another_process(process: Made) -> None:
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


async def test_what_ends_within_the_grace_is_not_given_back(process: Made) -> None:
    said = ScriptedEvents()
    script = ScriptedRunner(said)
    p1 = process(script, grace=10)
    async with p1.running():
        await p1.add()
        await wait_until(lambda: bool(script.attempts))
        said.push(*stream())
        said.end()
    assert script.writes == ["resp_1 in_progress", "resp_1 completed"]


async def test_a_deleted_job_is_noticed_without_news(process: Made, postgres: Postgres) -> None:
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
