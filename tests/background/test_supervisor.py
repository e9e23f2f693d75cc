"""A process takes jobs while it lives, gives them back when it ends, and hears when they are not wanted any more."""

import asyncio

from tests.background.conftest import Made
from tests.background.parts import Said, Script, stream
from tests.eventually import PATIENCE_SECONDS, until
from tidegate.storage.postgres import Postgres


async def test_a_job_given_back_is_done_by_another_process(process: Made) -> None:
    held, said = Said(), Said()
    first, second = Script(held), Script(said)
    p1, p2 = process(first), process(second, name="p2")
    async with p1.running():
        await p1.add()
        await until(lambda: bool(first.asked))
        held.say(*stream()[:6])
    assert held.left.is_set()
    (job,) = await p1.store.open_jobs()
    assert (job.status, job.deaths) == ("queued", 0)
    said.say(*stream())
    said.end()
    async with p2.running():
        await until(lambda: second.kept == ["resp_1 in_progress", "resp_1 completed"])


async def test_what_ends_within_the_grace_is_not_given_back(process: Made) -> None:
    said = Said()
    script = Script(said)
    p1 = process(script, grace=10)
    async with p1.running():
        await p1.add()
        await until(lambda: bool(script.asked))
        said.say(*stream())
        said.end()
    assert script.kept == ["resp_1 in_progress", "resp_1 completed"]


async def test_a_deleted_job_is_noticed_without_news(process: Made, postgres: Postgres) -> None:
    said = Said()
    script = Script(said)
    async with process(script).running() as p1:
        await p1.add()
        await until(lambda: bool(script.asked))
        async with postgres.connection() as connection:
            await connection.execute("DELETE FROM background_jobs")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await said.left.wait()
        await until(lambda: not p1.worker.busy)
    async with postgres.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM pgqueuer") == 0
