"""No budget is overspent: not by parallel calls, hang-ups, faults, kills, or a Redis that loses its data."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import psycopg
import pytest

from tests.eventually import PATIENCE_SECONDS
from tests.gateway.test_limits import WIDE, limited
from tests.harness import Gateway, World, ask
from tidegate.auth.grants import KeyChange, LimitsChange
from tidegate.core.clock import SystemClock
from tidegate.limits.budget_calendar import BudgetCalendar, period_of
from tidegate.limits.budget_store import BudgetStore
from tidegate.storage.redis import RedisLink

DOLLAR = 1_000_000_000
PRICE = {"gpt-4o-mini": {"input": "10", "output": "50"}}
"""USD per million tokens: a call of 40 tokens costs about $0.0025."""
SECTIONS: dict[str, Any] = {
    "upstream": WIDE,
    "metering": {"prices": PRICE},
    "budgets": {"rebuild_after_seconds": 0.75, "lease_seconds": 1.5},
}


class BudgetView:
    """The amounts of a scope's budget of today in Redis."""

    def __init__(self, link: RedisLink, prefix: str, scope: str) -> None:
        self._link = link
        self._prefix = f"{{{prefix}}}"
        self._scope = scope
        self.highest_amount = 0
        """The highest sum of spent and reserved amounts so far."""

    async def amounts(self) -> tuple[int, int]:
        """Return the spent and the reserved amount at one moment."""
        day = period_of(SystemClock().now()).day
        names = [f"{self._prefix}:{kind}:{self._scope}:{day}" for kind in ("spent", "held")]
        spent, held = [int(amount or 0) for amount in await self._link.command("MGET", *names)]
        self.highest_amount = max(self.highest_amount, spent + held)
        return spent, held

    async def watch(self) -> None:
        """Track the amounts until cancelled."""
        while True:
            await self.amounts()
            await asyncio.sleep(0.005)

    async def forget_everything(self) -> None:
        """Delete everything that Redis stores for this gateway."""
        keys = await self._link.command("KEYS", f"{self._prefix}*")
        await self._link.command("DEL", *keys)


@pytest.fixture
async def money(redis_link: RedisLink, redis_prefix: str) -> Callable[[str], BudgetView]:
    return lambda scope: BudgetView(redis_link, redis_prefix, scope)


async def budgeted(world: World, nanos: int) -> tuple[str, str]:
    """Return the header of a key with this daily budget, and its scope.

    Reservations are only counted where there is a budget.
    """
    granted = KeyChange(limits=LimitsChange(budget_day=nanos))
    key = await world.keys.create(project="shop", name="budgeted", grants=granted)
    return f"Bearer {key.token}", f"key/{key.record.id}"


@contextlib.asynccontextmanager
async def watching(money: BudgetView) -> AsyncIterator[None]:
    watch = asyncio.create_task(money.watch())
    try:
        yield
    finally:
        watch.cancel()


async def spend_until_refused(gateway: Callable[[], Gateway], key: str, name: str) -> int:
    """Call until refused; return the number of answers."""
    answered = 0
    for number in range(1000):
        body = ask(f"{name} {number}", max_tokens=50, stream=number % 2 == 0)
        try:
            answer = await gateway().chat(body, authorization=key, cache_control="no-store")
        except (OSError, aiohttp.ClientError):
            continue  # its replica was killed
        if answer.status == 429 and answer.error["code"] == "budget_exceeded":
            assert answer.headers["x-should-retry"] == "false"
            assert "It is renewed at 20" in answer.error["message"]
            return answered
        if answer.status == 429:
            assert answer.error["code"] == "budget_reserved"
            await asyncio.sleep(0.2)
        answered += answer.status == 200
    raise AssertionError("it was never refused")


async def ledger_sum(world: World) -> int:
    """Return the ledger's sum, once all entries have arrived."""
    with psycopg.connect(world.stores.database_url, autocommit=True) as database:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                waiting = await world._redis.xlen(f"{{{world.prefix}}}:ledger")  # noqa: SLF001  # the harness has it open
                if not waiting:
                    return int(
                        (database.execute("SELECT coalesce(sum(cost_nanos), 0) FROM ledger").fetchone() or (0,))[0]
                    )
                await asyncio.sleep(0.05)


def outcomes(world: World) -> dict[str, int]:
    with psycopg.connect(world.stores.database_url) as database:
        return dict(
            database.execute(
                "SELECT outcome, count(*) FROM ledger WHERE provider IS NOT NULL GROUP BY outcome"
            ).fetchall()
        )


async def test_two_hundred_callers_over_three_replicas_spend_the_budget_and_no_more(
    world: World, money: Callable[[str], BudgetView]
) -> None:
    budget = DOLLAR // 5
    key, scope = await budgeted(world, budget)
    purse = money(scope)
    async with contextlib.AsyncExitStack() as stack:
        gateways = [await stack.enter_async_context(world.gateway(**SECTIONS)) for _ in range(3)]
        await stack.enter_async_context(watching(purse))
        answered = await asyncio.gather(
            *(spend_until_refused(lambda n=n: gateways[n % 3], key, f"caller {n}") for n in range(200))  # type: ignore[misc]  # mypy does not see the default
        )
        spent, held = await purse.amounts()
        total = await ledger_sum(world)
    assert spent == total <= budget
    assert held == 0
    assert total >= 0.95 * budget
    assert purse.highest_amount <= budget
    assert sum(answered) == (await world.calls())


async def test_a_killed_replicas_calls_are_charged_in_full_and_the_budget_holds(
    world: World, money: Callable[[str], BudgetView]
) -> None:
    budget = DOLLAR // 4
    key, scope = await budgeted(world, budget)
    purse = money(scope)
    async with contextlib.AsyncExitStack() as stack:
        here = [await stack.enter_async_context(world.gateway(**SECTIONS)) for _ in range(2)]
        doomed = await stack.enter_async_context(world.process(**SECTIONS))
        alive: list[Gateway] = [*here, doomed]
        await stack.enter_async_context(watching(purse))
        slow = [
            asyncio.create_task(
                doomed.chat(ask(f"slow {n}", max_tokens=50), authorization=key, x_simulate_latency="600")
            )
            for n in range(10)
        ]
        await world.wait_for_stats(in_flight=10)
        callers = [
            asyncio.create_task(spend_until_refused(lambda n=n: alive[n % len(alive)], key, f"caller {n}"))  # type: ignore[misc]  # mypy does not see the default
            for n in range(60)
        ]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await world.calls() < 20:  # noqa: ASYNC110  # another process's figure
                await asyncio.sleep(0.02)
        alive.remove(doomed)
        doomed.kill()
        await doomed.wait()
        await asyncio.gather(*callers)
        await asyncio.gather(*slow, return_exceptions=True)
        spent, held = await purse.amounts()
        total = await ledger_sum(world)
    assert outcomes(world)["lost"] >= 10
    assert spent == total <= budget
    assert held == 0
    assert total >= 0.95 * budget
    assert purse.highest_amount <= budget


async def test_a_redis_that_forgets_is_told_again_before_the_next_paid_call(
    world: World, money: Callable[[str], BudgetView]
) -> None:
    """This covers spending in the ledger, entries on their way, and reservations of calls in other replicas."""
    async with world.gateway(**SECTIONS) as one, world.gateway(**SECTIONS) as other:
        # enough for two calls that reserve $0.0037, and for the cost of the first
        key, scope = await budgeted(world, 12_000_000)
        purse = money(scope)
        first = await one.chat(ask("first", max_tokens=50), authorization=key)
        assert first.status == 200
        slow = asyncio.create_task(one.chat(ask("slow", max_tokens=50), authorization=key, x_simulate_latency="3"))
        await world.wait_for_stats(in_flight=1)
        spent, held = await purse.amounts()
        await purse.forget_everything()
        asked = await asyncio.gather(
            *(other.chat(ask(f"after {n}", max_tokens=50), authorization=key, x_simulate_latency="1") for n in range(4))
        )
        assert sorted(answer.status for answer in asked) == [200, 429, 429, 429]
        assert {answer.error["code"] for answer in asked if answer.status == 429} == {"budget_reserved"}
        assert (await slow).status == 200
        async with asyncio.timeout(PATIENCE_SECONDS):  # the new reports make the ledger be counted again
            while True:
                paid = await other.chat(ask("again", max_tokens=1), authorization=key, cache_control="no-store")
                assert paid.status == 200
                if (await purse.amounts()) == (await ledger_sum(world), 0):
                    break
    assert spent > 0 < held
    assert outcomes(world).keys() == {"ok"}


async def test_counters_ledger_and_bill_agree_after_mixed_calls_with_faults(
    world: World, money: Callable[[str], BudgetView]
) -> None:
    key = await limited(world, budget_day=100 * DOLLAR, rpm=100_000, tpm=10**9, concurrency=1000)
    await world.set_faults(server_error=0.05, truncated=0.05, missing_usage=0.05)
    async with contextlib.AsyncExitStack() as stack:
        gateways = [await stack.enter_async_context(world.gateway(**SECTIONS)) for _ in range(3)]

        async def caller(who: int) -> None:
            for number in range(10):
                body = ask(
                    f"question {who * number % 17}", stream=(who + number) % 2 == 0, max_tokens=60, user=f"u{who % 5}"
                )
                calling = gateways[number % 3].chat(body, authorization=key)
                if number % 7 == 6:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(calling, 0.01)
                else:
                    with contextlib.suppress(OSError, aiohttp.ClientError):
                        await calling

        await asyncio.gather(*(caller(who) for who in range(40)))
        await world.wait_for_stats(in_flight=0)
        total = await ledger_sum(world)
        for scope in ("all", "project/shop"):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await money(scope).amounts() != (total, 0):
                    await asyncio.sleep(0.1)
                    total = await ledger_sum(world)
    assert total > 0
    assert "lost" not in outcomes(world)


async def test_a_day_that_ends_renews_the_budget(world: World) -> None:
    """The clock of the call decides: spending counts for the day on which the call came."""
    key = await limited(world, budget_day=5_000_000)
    async with world.gateway(**SECTIONS) as gateway:
        assert (await gateway.chat(ask("a", max_tokens=50), authorization=key)).status == 200
        refused = await gateway.chat(ask("b", max_tokens=50), authorization=key)
    assert (refused.status, refused.error["code"], refused.error["type"]) == (
        429, "budget_exceeded", "insufficient_quota",
    )  # fmt: skip
    assert (
        "The budget of this API key, $0.005, leaves no room for this request, which may cost up to $0.00"
        in (refused.error["message"])
    )
    assert "retry-after" not in refused.headers


async def test_the_whole_deployment_has_a_budget(world: World) -> None:
    sections = {**SECTIONS, "budgets": {**SECTIONS["budgets"], "limit_usd_per_day": "0.005"}}
    async with world.gateway(**sections) as gateway:
        assert (await gateway.chat(ask("a", max_tokens=50))).status == 200
        refused = await gateway.chat(ask("b", max_tokens=50))
    assert refused.error["code"] == "budget_exceeded"
    assert refused.error["message"].startswith("The budget of the whole gateway, $0.005,")


async def test_a_call_that_only_wants_a_stored_answer_holds_nothing(
    world: World, money: Callable[[str], BudgetView]
) -> None:
    async with world.gateway(**SECTIONS) as gateway:
        answer = await gateway.chat(
            ask("nothing"), authorization=await limited(world, concurrency=1), cache_control="only-if-cached"
        )
    assert (answer.status, await money("all").amounts()) == (504, (0, 0))


async def test_a_call_that_is_cut_again_and_again_costs_no_more_than_was_held(
    world: World, money: Callable[[str], BudgetView]
) -> None:
    """Each failed attempt is charged at its greatest cost; the same amount is reserved again before the next one."""
    question = ask("tide " * 400, max_tokens=1)
    async with world.gateway(**SECTIONS, breaker={"failure_threshold": 100}) as gateway:
        key, scope = await budgeted(world, DOLLAR)
        purse = money(scope)
        async with watching(purse):
            answer = await gateway.chat(question, authorization=key, x_simulate_fault="truncated")
        assert answer.error["code"] == "truncated_answer"
        spent, held = await purse.amounts()
        [line] = await world.ledger_entries(lines=1)
        assert line["attempts"] == 3
        assert (spent, held) == (line["cost_nanos"], 0)
        assert spent > 3 * (400 * 10_000 + 17 * 50_000)
        assert purse.highest_amount >= spent


async def test_a_call_is_not_sent_again_where_its_budget_holds_one_attempt(
    world: World, money: Callable[[str], BudgetView]
) -> None:
    question = ask("tide " * 400, max_tokens=1)
    async with world.gateway(**SECTIONS, breaker={"failure_threshold": 100}) as gateway:
        key, scope = await budgeted(world, 8_000_000)
        answer = await gateway.chat(question, authorization=key, x_simulate_fault="truncated")
        [line] = await world.ledger_entries(lines=1)
        spent, held = await money(scope).amounts()
    assert (answer.error["code"], line["attempts"]) == ("truncated_answer", 1)
    assert (spent, held) == (line["cost_nanos"], 0)
    assert 4_000_000 < spent <= 8_000_000


async def test_from_eighty_percent_on_a_budget_is_told_once_in_the_log_and_in_each_answer(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    key, _ = await budgeted(world, DOLLAR // 40)
    shares = []
    async with world.gateway(**SECTIONS) as one, world.gateway(**SECTIONS) as other:
        for number in range(60):
            body = ask(f"nearly {number}", max_tokens=10, stream=number % 2 == 0)
            answer = await (one, other)[number % 2].chat(body, authorization=key)
            if answer.status != 200:
                break
            shares.append(answer.headers.get("x-tidegate-budget-used", ""))
    told = [share for share in shares if share]
    assert shares[0] == ""
    assert len(told) >= 2
    assert all(share.endswith("; scope=key; period=day") and 0.8 <= float(share[:4]) <= 1 for share in told)
    lines = [line for line in capsys.readouterr().err.splitlines() if '"budget nearly used"' in line]
    assert len(lines) == 1
    assert '"used_percent": 8' in lines[0]


async def test_a_budget_ends_in_the_teams_time_zone_and_a_new_zone_is_counted_from_the_ledger(
    world: World, redis_link: RedisLink, redis_prefix: str
) -> None:
    key, scope = await budgeted(world, DOLLAR)
    zones = ("UTC", "Pacific/Kiritimati", "Etc/GMT+12", "UTC")  # at any moment, one of them has another day
    for zone in zones:
        calendar = BudgetCalendar(zone)
        async with world.gateway(**{**SECTIONS, "budgets": {**SECTIONS["budgets"], "time_zone": zone}}) as gateway:
            for words in ("one", "two"):
                answer = await gateway.chat(ask(words, max_tokens=10), authorization=key, cache_control="no-store")
                assert answer.status == 200
            store = BudgetStore(redis_link, prefix=redis_prefix, calendar=calendar)
            [spending] = await store.read([scope], SystemClock().now())
            assert await store.counters_valid()
            assert spending.day.spent == await ledger_sum(world) > 0
