"""In an outage replicas share what they learn, no call waits for a target that is down, and recovery is quick."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.eventually import wait_until_async
from tests.gateway.test_budgets import BudgetView
from tests.harness import STREAM, Gateway, Json, World, ask
from tidegate.simulator import running
from tidegate.storage.redis import RedisLink

ALONE = {"retries": {"max_retries": 0}, "cache": {"stale_for_seconds": 0}}
MODEL = "openai/gpt-4o-mini"
DOWN = ("open", "half_open")
ROUTES = {"gpt-4o-mini": {"targets": [{"provider": "openai"}, {"provider": "second"}]}}


@pytest.fixture
async def second() -> AsyncIterator[Json]:
    """Run another provider, which works."""
    async with running() as base_url:
        credential = {"name": "main", "api_key": "sk-second"}
        yield {"second": {"kind": "openai_compatible", "base_url": base_url, "credentials": [credential]}}


async def health(gateway: Gateway) -> Json:
    return (await gateway.call("/health/upstream")).json


async def fail_until_down(gateway: Gateway) -> None:
    for number in range(5):
        answer = await gateway.chat(ask(f"Is it down, {number}?"), x_tidegate_deadline="0")
        assert answer.status == 503
    await wait_for_state(gateway, "targets", MODEL, *DOWN)


async def wait_for_state(gateway: Gateway, what: str, name: str, *states: str | None) -> None:
    async def is_so() -> bool:
        shown: Json = (await health(gateway))[what]
        return shown.get(name) in states

    await wait_until_async(is_so)


async def test_what_is_down_is_refused_at_once_by_all_replicas_and_comes_back_by_itself(world: World) -> None:
    async with world.gateway(**ALONE) as one, world.gateway(**ALONE) as other_one:
        await world.set_faults(overloaded=1.0)
        await fail_until_down(one)
        await wait_for_state(other_one, "targets", MODEL, *DOWN)
        asked = await world.calls()
        refused = await other_one.chat(ask("Who is there?"))
        if refused.headers["x-tidegate-error"] == "server_is_overloaded":  # it was the call that may probe
            refused = await other_one.chat(ask("Who is there?"))
        assert (refused.status, refused.headers["x-tidegate-error"]) == (503, "target_down")
        assert (refused.error["code"], refused.headers["x-should-retry"]) == ("target_down", "true")
        assert refused.headers["retry-after"] in ("1", "2")  # two seconds, less the time since
        assert "has been failing for" in refused.error["message"]
        assert await world.calls() <= asked + 1  # one call over all replicas may probe
        await world.set_faults(overloaded=0.0)

        async def is_back() -> bool:
            return (await one.chat(ask("Are you back?"))).status == 200

        await wait_until_async(is_back)
        await wait_for_state(other_one, "targets", MODEL, None)


async def test_a_bad_key_is_out_for_all_replicas_and_wakes_one_person(world: World, capfd: Any) -> None:
    async with world.gateway(**ALONE) as one, world.gateway(**ALONE) as other_one:
        first = await one.chat(x_simulate_fault="out_of_quota")
        assert (first.status, first.headers["x-tidegate-error"]) == (429, "insufficient_quota")
        await wait_for_state(other_one, "credentials", "openai/default", "out_of_quota")
        asked = await world.calls()
        again = await other_one.chat(ask("And now?"))
        assert (again.status, again.error["code"]) == (429, "insufficient_quota")
        assert again.headers["x-should-retry"] == "false"
        assert await world.calls() == asked
    lines = [line for line in capfd.readouterr().err.splitlines() if '"change"' in line]
    assert len(lines) == 1
    assert '"credential_out"' in lines[0]


async def test_the_ledger_tells_how_far_down_a_call_went(world: World, second: Json) -> None:
    async with world.gateway(providers=second, routes=ROUTES, retries={"max_retries": 1}) as gateway:
        await world.set_faults(server_error=1.0)
        answer = await gateway.chat()
        assert answer.headers["x-tidegate-served-by"].startswith("second/")
        forbidden = await gateway.chat(ask("No steps, please."), x_tidegate_fallback="off", x_tidegate_deadline="0")
        assert forbidden.status == 500
        wrong = await gateway.chat(x_tidegate_fallback="up")
        assert (wrong.status, "credentials, targets, stale, canned" in wrong.error["message"]) == (400, True)
    answered, failed = await world.ledger_entries(2)
    assert (answered["provider"], answered["fallback_step"], answered["attempts"]) == ("second", "target", 3)
    assert (failed["provider"], failed["fallback_step"], failed["attempts"], failed["outcome"]) == (
        "openai", "first", 1, "server_error",
    )  # fmt: skip


async def test_heartbeats_go_on_while_a_stream_goes_down_the_ladder(world: World, second: Json) -> None:
    clocks = {"first_byte_seconds": 1.0}
    async with world.gateway(providers=second, routes=ROUTES, upstream=clocks, server={"ping_seconds": 0.1}) as gateway:
        await world.set_faults(timeout=1.0)
        answer = await gateway.chat(STREAM)
    assert (answer.status, answer.text.count(": ping\n") >= 3) == (200, True)
    assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(("fault", "state"), [("invalid_key", "invalid"), ("out_of_quota", "out_of_quota")])
async def test_what_is_out_is_found_out_again_after_all_is_forgotten_and_costs_no_caller_a_failure(
    world: World, redis_link: RedisLink, redis_prefix: str, fault: str, state: str
) -> None:
    """Redis lost its data and no process was left: the first calls are refused upstream, and answered all the same."""
    keys = [{"name": name, "api_key": f"sk-proj-{name}-key"} for name in ("first", "second")]
    sections = {"providers": {"openai": {"kind": "openai", "credentials": keys}}, "upstream": {"api_key": None}}
    await world.set_faults(key="first-key", **{fault: 1.0})
    async with world.gateway(**sections) as gateway:
        assert (await gateway.chat()).status == 200
        await wait_for_state(gateway, "credentials", "openai/first", state)
    await BudgetView(redis_link, redis_prefix, "all").forget_everything()
    async with world.gateway(**sections) as gateway:
        calls = [gateway.chat(ask(f"{number}", stream=number % 2 == 0)) for number in range(20)]
        answers = await asyncio.gather(*calls)
        assert [answer.status for answer in answers] == [200] * 20
        await wait_for_state(gateway, "credentials", "openai/first", state)
        asked = await world.calls()
        assert (await gateway.chat(ask("And now?"))).status == 200
        assert await world.calls() == asked + 1
