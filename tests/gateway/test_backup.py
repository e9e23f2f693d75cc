"""A backup taken under load by the page's own commands, restored elsewhere: keys, ledger, conversations, budgets."""

import asyncio
import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.docs.blocks import blocks_of
from tests.docs.terminal import commands_of
from tests.eventually import PATIENCE_SECONDS, wait_until
from tests.gateway.test_budgets import PRICE
from tests.gateway.test_limits import WIDE, limited
from tests.harness import Gateway, Json, World, ask
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.embedded.account import wheels_programs

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guides" / "operating.md"
DOLLAR = 1_000_000_000
SECTIONS: dict[str, Any] = {"upstream": WIDE, "metering": {"prices": PRICE}}
_DRAINED_ROWS = "SELECT id, at, project, key_id, model, outcome, cost_nanos FROM ledger"


def commands(reason: str) -> list[str]:
    """Return the commands of the page's block that says this beside it."""
    [block] = [block for block in blocks_of(PAGE, ROOT) if block.reason == reason]
    return [command for command, _ in commands_of(block.text)]


def path_of_programs() -> str:
    """Return the search path, with the programs of the embedded PostgreSQL first: `pg_dump` must not be older."""
    return os.pathsep.join((str(Path(sys.executable).parent), str(wheels_programs() / "bin"), os.environ["PATH"]))


def run(commands: list[str], folder: Path, **environment: str) -> None:
    """Run them as they stand on the page."""
    variables = {**os.environ, "PATH": path_of_programs(), **environment}
    for command in commands:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command], cwd=folder, env=variables,
            capture_output=True, text=True, timeout=2 * PATIENCE_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


class Traffic:
    """Chats with stored turns, until told to stop; knows what was acknowledged."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._ended = False
        self.acknowledged: dict[str, str] = {}
        """By the id of a response, what its caller had said."""

    @contextlib.asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Send calls while the block runs."""
        talks = [asyncio.create_task(self._talk(number)) for number in range(6)]
        try:
            yield
        finally:
            self._ended = True
            await asyncio.gather(*talks)

    async def _talk(self, talk: int) -> None:
        previous: str | None = None
        for turn in itertools.count():
            if self._ended:
                return
            words = f"talk {talk}, turn {turn}"
            body: Json = {"model": "gpt-4o-mini", "input": words, "previous_response_id": previous}
            answer = await self._gateway.call("/responses", body)
            assert answer.status == 200, answer.text
            previous = answer.json["id"]
            self.acknowledged[answer.json["id"]] = words


@pytest.fixture
def elsewhere() -> Iterator[StoreUrls]:
    """Other servers: nothing is in them, not even the role."""
    with tempfile.TemporaryDirectory(prefix="tidegate-elsewhere-") as folder, embedded.running(Path(folder)) as stores:
        yield stores


async def exhausted_key(world: World, gateway: Gateway) -> str:
    """Return the header of a key whose budget is used up."""
    key = await limited(world, project="spender", budget_day=DOLLAR // 200)
    for number in range(100):
        answer = await gateway.chat(ask(f"spend {number}"), authorization=key)
        if answer.status != 200:
            assert answer.error["code"] == "budget_exceeded"
            return key
    raise AssertionError("the budget is never used up")


async def ledger(url: str) -> dict[str, tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    rows = {row["id"]: tuple(row) for row in await connection.fetch(_DRAINED_ROWS)}
    await connection.close()
    return rows


async def test_a_backup_under_load_is_whole_and_budgets_are_kept_without_redis(
    world: World, elsewhere: StoreUrls, tmp_path: Path
) -> None:
    if shutil.which("pg_dump", path=path_of_programs()) is None:
        pytest.skip("there is no pg_dump; on Debian: apt-get install postgresql-client")
    source = world.stores
    async with world.gateway(**SECTIONS) as gateway:
        spender = await exhausted_key(world, gateway)
        traffic = Traffic(gateway)
        async with traffic.flowing():
            await wait_until(lambda: len(traffic.acknowledged) >= 30)
            before, known = await ledger(source.database_url), dict(traffic.acknowledged)
            backup = commands("tests/gateway/test_backup.py runs it under load")
            await asyncio.to_thread(run, backup, tmp_path, TIDEGATE_DATABASE_URL=source.database_url)
            during = len(traffic.acknowledged) - len(known)
    assert during > 0, "nothing was called during the backup"
    restore = commands("tests/gateway/test_backup.py runs it")
    urls = {"RESTORED_URL": elsewhere.database_url, "TIDEGATE_REDIS_URL": elsewhere.redis_url}
    await asyncio.to_thread(run, restore, tmp_path, **urls)

    restored = await ledger(elsewhere.database_url)
    assert before.items() <= restored.items(), "an entry is missing, or has changed"
    after = await ledger(source.database_url)
    assert restored.items() <= after.items(), "the backup has what never was"

    world.stores = elsewhere
    async with world.gateway(**SECTIONS) as gateway:
        refused = await gateway.chat(ask("once more"), authorization=spender)
        assert (refused.status, refused.error["code"]) == (429, "budget_exceeded")
        for id_, words in known.items():
            items = await gateway.call(f"/responses/{id_}/input_items?order=asc")
            assert (items.status, words in items.text) == (200, True)
        newest = list(known)[-1]
        more = {"model": "gpt-4o-mini", "input": "And after the loss?", "previous_response_id": newest}
        assert (await gateway.call("/responses", more)).status == 200
