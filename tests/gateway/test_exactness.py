"""After mixed calls with faults the ledger, Redis's counters and the simulator's own bill say the same.

`python -m benchmarks.exactness` shows it with 20,000 calls.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import msgspec
import pytest

from benchmarks.books import EXACT, Books, Charge, Line, charges_of
from benchmarks.mixed_calls import Mix, UpstreamManners, make
from tests.gateway.test_budgets import DOLLAR, BudgetView
from tests.gateway.test_limits import WIDE, limited
from tests.harness import World
from tidegate.simulator import Options, running
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.redis import RedisLink

CALLS, CALLERS = 300, 12
MANNERS = UpstreamManners(ttft=0.05, tps=60, stop_seconds=0.2)
"""The gateway is not told them, only that it stops within a second: longer, so that a busy machine fails nothing."""
SECTIONS = {
    "upstream": {**WIDE, "first_byte_seconds": 3.0, "idle_seconds": 3.0, "cancels": "always", "stop_seconds": 1.0}
}


@pytest.fixture
async def world(clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    async with (
        running(Options(remember=10 * CALLS, **msgspec.structs.asdict(MANNERS))) as upstream_url,
        World(clean_stores, redis_prefix, upstream_url, tmp_path) as world,
    ):
        yield world


async def test_ledger_counters_and_bill_agree(world: World, redis_link: RedisLink, redis_prefix: str) -> None:
    keys = [(await limited(world, project, budget_day=DOLLAR)).removeprefix("Bearer ") for project in ("a", "a", "b")]
    dice = Random(1)  # noqa: S311  # repeatable on purpose
    groups = Mix(dice).groups(CALLS)
    async with contextlib.AsyncExitStack() as stack:
        urls = [(await stack.enter_async_context(world.gateway(**SECTIONS))).base_url for _ in range(2)]

        async def caller() -> None:
            for group in groups:
                key = dice.choice(keys)
                await asyncio.gather(*(make(world.http, asked, base_url=dice.choice(urls), key=key) for asked in group))

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        await world.wait_for_stats(in_flight=0)
    books = Books(await lines(world), await charges(world))
    assert books.complaints == []
    assert books.sums[EXACT].calls > CALLS * 0.8
    for scopes in (["all"], ["project/a", "project/b"]):
        amounts = [await BudgetView(redis_link, redis_prefix, scope).amounts() for scope in scopes]
        assert (sum(spent for spent, _ in amounts), sum(held for _, held in amounts)) == (books.booked, 0)


async def lines(world: World) -> list[Line]:
    """Return the ledger's entries."""
    rows = await world.all_entries()
    return [Line(name=row["end_user"], outcome=row["outcome"], nanos=row["cost_nanos"]) for row in rows]


async def charges(world: World) -> list[Charge]:
    """Return the simulator's bill."""
    async with world.http.get(world.upstream_url.removesuffix("/v1") + "/simulator/bill") as answer:
        return charges_of((await answer.json())["requests"])


@pytest.mark.parametrize(
    ("line", "charge", "agree"),
    [
        (Line(name="a", outcome="ok", nanos=5), Charge(user="a", cost_nanos=5), True),
        (Line(name="a", outcome="ok", nanos=4), Charge(user="a", cost_nanos=5), False),
        (Line(name="stated-a", outcome="ok", nanos=4), Charge(user="stated-a", cost_nanos=5), False),
        (Line(name="stated-a", outcome="first_byte_timeout", nanos=4), Charge(user="stated-a", cost_nanos=5), True),
        (Line(name="a", outcome="ok", nanos=0), Charge(user="b", cost_nanos=5), False),
        (
            Line(name="a", outcome="client_disconnected", nanos=1200 + 316 * 600),
            Charge(user="a", model="gpt-4o-mini", output_tokens=2, cost_nanos=1200),
            True,
        ),
        (
            Line(name="a", outcome="client_disconnected", nanos=1199),
            Charge(user="a", model="gpt-4o-mini", output_tokens=2, cost_nanos=1200),
            False,
        ),
        (
            Line(name="a", outcome="client_disconnected", nanos=1202 + 316 * 600),
            Charge(user="a", model="gpt-4o-mini", output_tokens=2, cost_nanos=1200),
            False,
        ),
        (Line(name="a", outcome="client_disconnected", nanos=5), Charge(user="b", cost_nanos=0), True),
    ],
)
def test_books_that_differ_are_told(line: Line, charge: Charge, *, agree: bool) -> None:
    assert (Books([line], [charge]).complaints == []) is agree
