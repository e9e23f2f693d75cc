"""The troubles of a night, on two replicas: one command names the cause, as docs/guides/night.md says."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from tests.eventually import wait_until_async
from tests.free_ports import first_of_free_ports
from tests.harness import CHAT, RESPONSES, Gateway, World, ask
from tidegate.auth.grants import KeyChange, LimitsChange

pytestmark = pytest.mark.long
Replicas = tuple[Gateway, Gateway]


@pytest.fixture
async def replicas(world: World) -> AsyncIterator[Replicas]:
    async with world.gateway() as first, world.gateway() as second:
        yield first, second


async def command(world: World, *arguments: str, typed: str = "", **sections: Any) -> str:
    """Run `tidegate` in a process of its own, as an operator does; return what it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tidegate", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        cwd=world.folder, env={**os.environ, **world.environment(**sections)},
    )  # fmt: skip
    output, _ = await process.communicate(typed.encode())
    return output.decode()


async def until_shown(world: World, *arguments: str, words: str) -> str:
    """Run a command until its output has these words: a call is in the ledger seconds after its end."""
    shown = ""

    async def has_words() -> bool:
        nonlocal shown
        shown = await command(world, *arguments)
        return words in shown

    await wait_until_async(has_words)
    return shown


async def test_a_slow_upstream_is_told_from_a_full_queue(world: World, replicas: Replicas) -> None:
    answer = await replicas[0].chat(x_simulate_latency="1.0")
    shown = await until_shown(world, "calls", "show", answer.headers["x-request-id"], "--json", words="latency_ms")
    [entry] = msgspec.json.decode(shown)["entries"]
    assert (entry["latency_ms"] >= 1000, entry["queue_ms"] < 500) == (True, True)
    assert (entry["provider"], entry["credential"]) == ("openai", "default")


async def test_429s_of_the_gateway_are_told_from_those_of_the_upstream(world: World, replicas: Replicas) -> None:
    key = await world.make_key("busy")
    await world.keys.update(key.record.id, KeyChange(limits=LimitsChange(rpm=1)))
    statuses = [(await replicas[n % 2].chat(ask(f"{n}"), authorization=f"Bearer {key.token}")).status for n in range(3)]
    assert statuses.count(429) == 2
    await replicas[0].chat(x_simulate_fault="rate_limited_day", x_tidegate_deadline="0")
    shown = await until_shown(
        world, "usage", "--by", "project", "--by", "outcome", "--since", "1h", words="rate_limit_ex"
    )
    shown = await until_shown(
        world, "usage", "--by", "project", "--by", "outcome", "--since", "1h", words="upstream_rate"
    )
    assert "busy / rate_limit_exceeded" in shown
    assert "shop / upstream_rate_limited" in shown


@pytest.mark.parametrize(
    ("fault", "words", "state"),
    [
        ("invalid_key", "Incorrect API key provided", "invalid"),
        ("out_of_quota", "exceeded your current quota", "out_of_quota"),
    ],
)
async def test_a_bad_key_and_an_empty_account_are_named_in_the_upstreams_words(
    world: World, replicas: Replicas, fault: str, words: str, state: str
) -> None:
    await world.set_faults(key="", **{fault: 1.0})
    await replicas[0].chat()
    assert words in await until_shown(world, "calls", "tail", "--errors", "--no-follow", words=words)
    assert state in await until_shown(world, "upstream", "show", words=state)


@pytest.mark.parametrize(
    ("sections", "store"),
    [
        (lambda port: {"redis_url": f"redis://127.0.0.1:{port}", "redis": {"timeout_seconds": 0.1}}, "redis"),
        (lambda port: {"database_url": f"postgresql://127.0.0.1:{port}/x"}, "postgres"),
    ],
)
async def test_a_store_that_is_down_is_named(world: World, sections: Callable[[int], Any], store: str) -> None:
    async with world.gateway(**sections(first_of_free_ports(1))) as gateway:
        health = await gateway.call("/health")
        assert health.json[store] not in ("ok", "up"), health.text
        with contextlib.suppress(KeyError):
            assert health.json["status"] == "degraded"
        stored = await gateway.call("/responses", {**RESPONSES, "store": True})
    assert stored.status == (503 if store == "postgres" else 200)


@pytest.mark.parametrize(
    ("sections", "store"),
    [({"redis_url": "redis://127.0.0.1:{}"}, "redis"), ({"database_url": "postgresql://127.0.0.1:{}/x"}, "postgres")],
)
async def test_the_doctor_names_the_store_that_is_down(world: World, sections: dict[str, str], store: str) -> None:
    port = first_of_free_ports(1)
    away = {name: address.format(port) for name, address in sections.items()}
    shown = msgspec.json.decode(await command(world, "doctor", "--json", **away))
    bad = {each["check"] for each in shown["findings"] if each["verdict"] == "bad"}
    assert bad & {"redis", "postgres"} == {store}


async def test_failing_and_slow_calls_are_named_by_the_alerts(world: World) -> None:
    sections: dict[str, Any] = {
        "alerts": {"min_calls": 5, "slow_seconds": 0.5},
        "retries": {"max_retries": 0},
    }
    async with world.gateway(**sections) as gateway:
        for number in range(5):
            await gateway.chat(ask(f"{number}"), x_simulate_latency="0.8")
        assert "upstream" in await until_shown(world, "alerts", "show", words="firing")
        await world.set_faults(server_error=1.0)
        for number in range(5):
            await gateway.chat(ask(f"{number} again"), x_tidegate_deadline="0")
        await until_shown(world, "alerts", "show", words="server_error at openai")


async def test_a_budget_that_is_used_up_is_named_with_its_owner(world: World, replicas: Replicas) -> None:
    key = await world.make_key("poor")
    await world.keys.update(key.record.id, KeyChange(limits=LimitsChange(budget_day=1)))
    refused = await replicas[1].chat(authorization=f"Bearer {key.token}")
    assert refused.status == 429
    shown = await until_shown(world, "calls", "tail", "--errors", "--project", "poor", "--no-follow", words="budget")
    assert refused.headers["x-request-id"] in shown
    assert key.record.id in await command(world, "budgets", "show")


async def test_a_wrong_cached_answer_is_found_and_removed(world: World, replicas: Replicas) -> None:
    await replicas[0].chat()
    hit = await replicas[1].chat()
    assert hit.headers["x-tidegate-cache"] == "hit"
    shown = await until_shown(world, "calls", "show", hit.headers["x-request-id"], words="cache purge")
    purge = shown[shown.index("tidegate cache purge") :].split()[1:]
    assert "Removed 1 stored answer" in await command(world, *purge)
    assert (await replicas[1].chat()).headers["x-tidegate-cache"] == "miss"


async def test_what_a_user_cost_by_model_is_one_command(world: World, replicas: Replicas) -> None:
    for number, replica in enumerate(replicas):
        await replica.chat({**ask(f"{number}"), "user": "ada"})
    await replicas[0].chat({**CHAT, "user": "bob"})
    await world.ledger_entries(3)
    shown = await command(world, "usage", "--user", "ada", "--by", "model", "--since", "yesterday", "--json")
    [row] = msgspec.json.decode(shown)["rows"]
    assert (row["group"], row["calls"], row["cost_nanos"] > 0) == ("gpt-4o-mini", 2, True)
    assert "sohp" in await command(world, "usage", "--project", "sohp")


async def test_a_leaked_key_is_found_by_its_secret(world: World, replicas: Replicas) -> None:
    key = await world.make_key("leaky")
    assert (await replicas[0].chat(authorization=f"Bearer {key.token}")).status == 200
    shown = await command(world, "keys", "find", typed=f"{key.token}\n")
    assert key.record.id in shown
    assert key.token not in shown
    await command(world, "keys", "rotate", key.record.id, "--overlap", "0")
    assert "keys.rotate" in await command(world, "audit", "show", "--about", key.record.id)
