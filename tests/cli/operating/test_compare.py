"""`tidegate usage compare` holds the ledger beside the costs report of the simulator."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import psycopg
import pytest
import uvicorn

from tests.cli.conftest import Tidegate
from tests.harness import listening
from tidegate.core.clock import SystemClock
from tidegate.simulator.app import Simulator
from tidegate.simulator.options import Options
from tidegate.storage.embedded import StoreUrls

ADMIN = "sk-admin-compare"


@pytest.fixture
async def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A simulator that charged one call, and a file with an admin key."""
    monkeypatch.chdir(tmp_path)
    write_key(ADMIN)
    config = uvicorn.Config(Simulator(Options(), SystemClock()), log_config=None)
    async with listening(config) as root, aiohttp.ClientSession() as http:
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
        headers = {"authorization": "Bearer sk-gateway-aaaa"}
        async with http.post(f"{root}/v1/chat/completions", json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
        yield f"{root}/v1"


def write_key(text: str) -> None:
    """Write the file that the command reads the admin key from."""
    Path("admin").write_text(text)


async def charged(upstream: str) -> int:
    """Return what the simulator charged, in nano-dollars."""
    async with aiohttp.ClientSession() as http, http.get(f"{upstream}/simulator/stats") as stats:
        return int((await stats.json())["cost_nanos"])


def write_ledger(stores: StoreUrls, nanos: int) -> None:
    """Write a call of today into the ledger."""
    with psycopg.connect(stores.database_url, autocommit=True) as database:
        database.execute(
            "INSERT INTO ledger (id, at, project, key_id, route, model, provider, outcome, cache, stream, cost_nanos) "
            "VALUES ('req_1', now(), 'p', 'k', 'chat', 'gpt-4o', 'openai', 'ok', 'miss', false, %s)",
            [nanos],
        )


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (0.9, 1)])
async def test_the_ledger_is_compared(
    tidegate: Tidegate, clean_stores: StoreUrls, upstream: str, factor: float, code: int
) -> None:
    nanos = await charged(upstream)
    assert nanos > 0
    write_ledger(clean_stores, int(nanos * factor))
    today = datetime.now(UTC).date().isoformat()
    arguments = ("usage", "compare", "--day", today, "--admin-key", "file:admin")
    result = await asyncio.to_thread(tidegate, *arguments, "--json", TIDEGATE_UPSTREAM__BASE_URL=upstream)
    assert result.exit_code == code, result.output
    found = json.loads(result.stdout)
    assert (found["provider_nanos"], found["by_api_key"]) == (nanos, {"key_aaaa": nanos})
    text = (await asyncio.to_thread(tidegate, *arguments, TIDEGATE_UPSTREAM__BASE_URL=upstream)).stdout
    assert "difference" in text
    assert ADMIN not in text


async def test_a_key_that_is_no_admin_key_is_refused_in_openais_words(tidegate: Tidegate, upstream: str) -> None:
    write_key("sk-ordinary-0123456789")
    arguments = ("usage", "compare", "--admin-key", "file:admin")
    result = await asyncio.to_thread(tidegate, *arguments, TIDEGATE_UPSTREAM__BASE_URL=upstream)
    assert (result.exit_code, "insufficient permissions" in result.stderr) == (78, True), result.output
    assert "sk-ordinary" not in result.output


def test_the_key_itself_is_no_argument(tidegate: Tidegate) -> None:
    result = tidegate("usage", "compare", "--admin-key", ADMIN)
    assert (result.exit_code, ADMIN in result.output) == (78, False)


def test_usage_without_compare_is_the_report(tidegate: Tidegate) -> None:
    assert tidegate("usage", "--by", "model", "--json").exit_code == 0
