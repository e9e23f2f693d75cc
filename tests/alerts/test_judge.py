"""A fleet judges once for all: replicas, restarts, a killed judge and stores that are away change no message."""

import asyncio

import pytest
from structlog.testing import capture_logs

from tests.alerts.calls import FAILED, Traffic, call
from tests.alerts.fleet import START, Fleet
from tidegate.alerts.report import AlertReport
from tidegate.alerts.store import AlertStore
from tidegate.core.clock import SystemClock
from tidegate.core.ids import new_id
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

QUIET = Traffic(minutes=12)
SPIKE = Traffic(minutes=6, share=0.06)
EXPECTED = [(16, "errors firing"), (24, "errors resolved")]
"""What one replica says of QUIET, SPIKE, QUIET."""
DOLLAR = 1_000_000_000


@pytest.fixture
def fleet(postgres: Postgres, redis_link: RedisLink, redis_prefix: str) -> Fleet:
    return Fleet(postgres, redis_link, redis_prefix)


@pytest.fixture
def no_redis() -> RedisLink:
    """A Redis that is away."""
    return RedisLink("redis://127.0.0.1:9/0", timeout=0.1, clock=SystemClock())


@pytest.fixture
def no_postgres() -> Postgres:
    """A PostgreSQL that is away."""
    return Postgres("postgresql://127.0.0.1:9/none", size=1, timeout=0.2)


@pytest.mark.parametrize("replicas", [1, 3])
async def test_any_number_of_replicas_say_the_same(fleet: Fleet, replicas: int) -> None:
    fleet.start(replicas)
    assert await fleet.play(QUIET, SPIKE, QUIET) == EXPECTED


async def test_replicas_that_see_too_few_calls_each_add_them_up(fleet: Fleet) -> None:
    fleet.start(3)
    assert await fleet.play(Traffic(minutes=1, per_slot=3), Traffic(minutes=0.5, per_slot=7, share=1.0)) == [
        (1, "errors firing")
    ]


async def test_without_redis_postgresql_takes_its_place(fleet: Fleet, no_redis: RedisLink) -> None:
    fleet.start(3, redis=no_redis)
    assert await fleet.play(QUIET, SPIKE, QUIET) == EXPECTED
    assert {message.judged_by for message in fleet.inbox.messages} == {"fleet"}


async def test_without_postgresql_redis_takes_its_place(fleet: Fleet, no_postgres: Postgres) -> None:
    fleet.start(3, postgres=no_postgres)
    assert await fleet.play(QUIET, SPIKE, QUIET) == EXPECTED
    assert {message.judged_by for message in fleet.inbox.messages} == {"fleet"}


async def test_without_stores_each_process_judges_its_own_calls_and_says_so(
    fleet: Fleet, no_redis: RedisLink, no_postgres: Postgres
) -> None:
    fleet.start(2, redis=no_redis, postgres=no_postgres)
    assert await fleet.play(QUIET, Traffic(minutes=6, share=1.0), QUIET) == [
        (12, "errors firing"),
        (12, "errors firing"),
        (27, "errors resolved"),
        (27, "errors resolved"),
    ]
    assert len({message.judged_by for message in fleet.inbox.messages}) == 2
    assert all(message.judged_by.startswith("process p") for message in fleet.inbox.messages)


async def test_redis_that_goes_and_comes_back_in_the_middle_fires_nothing_twice(
    fleet: Fleet, no_redis: RedisLink
) -> None:
    fleet.start(2)
    await fleet.play(QUIET, Traffic(minutes=5, share=0.06))
    fleet.lose_redis(no_redis)
    await fleet.play(Traffic(minutes=1, share=0.06), Traffic(minutes=2))
    fleet.lose_redis(fleet.redis)  # it is back, with what the processes shared before
    # the first judge sees the other's old figures once, so that the calm begins anew
    assert await fleet.play(QUIET) == [(16, "errors firing"), (25, "errors resolved")]


async def test_a_restart_of_all_replicas_while_it_fires_fires_nothing_twice(fleet: Fleet) -> None:
    fleet.start(2)
    await fleet.play(QUIET, Traffic(minutes=5, share=0.06))
    fleet.kill(0)
    fleet.kill(0)
    fleet.start(2)
    assert await fleet.play(Traffic(minutes=1, share=0.06), QUIET) == EXPECTED


@pytest.mark.parametrize("minute", [1, 3, 5])
async def test_a_replica_that_is_killed_in_the_middle_hands_over(fleet: Fleet, minute: int) -> None:
    fleet.start(3)
    await fleet.play(QUIET, Traffic(minutes=minute, share=0.06))
    fleet.kill(0)  # the one that judged until now, because it works first in each slot
    assert await fleet.play(Traffic(minutes=6 - minute, share=0.06), QUIET) == EXPECTED


async def test_a_judge_that_dies_between_state_and_delivery_loses_no_message(fleet: Fleet) -> None:
    fleet.start(2)
    for report in [FAILED] * 20:
        fleet.replicas[0].recorder.observe(report)
    await fleet.replicas[0].judge.judge()
    fleet.kill(0)
    assert fleet.inbox.changes == []
    await fleet.replicas[0].work()
    assert fleet.inbox.changes == [(0, "errors firing")]


async def test_replicas_that_judge_at_once_fire_once(fleet: Fleet) -> None:
    fleet.start(5)
    for replica in fleet.replicas:
        for report in [FAILED] * 20:
            replica.recorder.observe(report)
    for _ in range(3):
        await asyncio.gather(*(replica.work() for replica in fleet.replicas))
        fleet.clock.advance(10)
    assert [what for _, what in fleet.inbox.changes] == ["errors firing"]


async def test_the_message_names_the_cause_in_the_upstreams_words_and_what_is_known_to_be_down(fleet: Fleet) -> None:
    fleet.start()
    with capture_logs() as logs:
        await fleet.play(Traffic(minutes=1), Traffic(minutes=1, share=0.5))
    [message] = fleet.inbox.messages
    assert message.causes == (
        "10 of 10 server_error at openai: The server had an error while processing your request.",
        "target openai/gpt-4o-mini is down: connection refused",
    )
    assert message.since == "2026-11-27T00:01:00Z"
    assert [(log["log_level"], log["alert"], log["whose"]) for log in logs if "alert" in log] == [
        ("error", "errors", "upstream")
    ]


async def spend(postgres: Postgres, dollars: float, at: float, project: str = "shop") -> None:
    async with postgres.connection() as connection:
        await connection.execute(
            "INSERT INTO ledger (id, at, project, key_id, route, model, outcome, cache, stream, cost_nanos)"
            " VALUES ($1, to_timestamp($2), $3, 'key_1', '/v1/responses', 'gpt-4o', 'ok', 'miss', false, $4)",
            new_id("req_"), at, project, round(dollars * DOLLAR),
        )  # fmt: skip


@pytest.mark.parametrize(("zone", "midnight"), [("UTC", 24), ("Europe/Berlin", 23)])
async def test_the_ledgers_spending_fires_once_a_day_of_the_teams_zone(fleet: Fleet, zone: str, midnight: int) -> None:
    fleet.zone = zone
    fleet.start(2)
    hours = [*range(5), *range(20, 26)]
    for hour in hours:
        fleet.clock.advance(START + hour * 3600 - fleet.clock.now())
        await spend(fleet.postgres, 30.0 if hour < 5 else 1.0, fleet.clock.now())
        await fleet.play(Traffic(minutes=2, per_slot=0))
    assert fleet.inbox.changes == [(3 * 60, "cost firing"), (midnight * 60, "cost resolved")]
    message = fleet.inbox.messages[0]
    assert message.what.startswith("$120.00 on 2026-11-27, threshold $100.00, projected end of day $")
    assert message.causes == ("$120.00 by project shop with gpt-4o",)


async def test_without_postgresql_the_counters_in_redis_say_what_is_spent(fleet: Fleet, no_postgres: Postgres) -> None:
    fleet.start(2, postgres=no_postgres)
    await fleet.redis.command("SET", f"{{{fleet.prefix}}}:spent:all:2026-11-27", 101 * DOLLAR)
    assert await fleet.play(Traffic(minutes=3, per_slot=0)) == [(0, "cost firing")]


async def test_muted_alerts_send_nothing_until_muting_ends(fleet: Fleet) -> None:
    fleet.start()
    store = AlertStore(fleet.postgres, fleet.redis, prefix=fleet.prefix)
    report = AlertReport(store, fleet.replicas[0].delivery.outbox, fleet.thresholds, ["inbox"], fleet.clock, new_id)
    await report.mute(3600)
    assert await fleet.play(Traffic(minutes=10, share=1.0)) == []
    listing = await report.read()
    assert [state.alert for state in listing.states if state.is_firing] == ["errors"]
    assert listing.muted_until == START + 3600
    await report.unmute()
    assert await fleet.play(Traffic(minutes=1, share=1.0)) == [(10, "errors firing")]
    assert (await report.read()).muted_until is None


async def test_a_disabled_alert_is_not_judged(fleet: Fleet) -> None:
    fleet.thresholds = type(fleet.thresholds)(enabled=frozenset())
    fleet.start()
    assert await fleet.play(Traffic(minutes=6, share=1.0, bad=call(FAILED.call_class, ms=90_000))) == []


async def test_a_night_without_calls_says_nothing(fleet: Fleet) -> None:
    fleet.start(2)
    assert await fleet.play(Traffic(minutes=60, per_slot=0)) == []
