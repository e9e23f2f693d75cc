"""Requests that ask no model anything count in the limits of requests, and in nothing else."""

import pytest

from tests.admission.gate_parts import NOON, Calls
from tidegate.admission.door import Door
from tidegate.admission.holds import Holds
from tidegate.admission.local import LocalLimits
from tidegate.admission.recount import Recount
from tidegate.admission.replicas import Replicas
from tidegate.admission.visits import Visits
from tidegate.connections.postgres import Postgres
from tidegate.connections.redis import RedisLink
from tidegate.core.clock import ManualClock, SystemClock
from tidegate.core.errors import CallerLimited
from tidegate.core.values import Caller, Limits

LIMITED = Caller(key_id="a", project="shop", name="x", limits=Limits(rpm=2, budget_day=0, tpm=0))
FREE = Caller(key_id="b", project="shop", name="y")


def visits(link: RedisLink, postgres: Postgres, prefix: str) -> Visits:
    calls, clock = Calls(link, prefix), ManualClock(NOON)
    recount = Recount(link, postgres, prefix=prefix, clock=clock, grace_seconds=0.0)
    door = Door(calls.gate, Holds(calls.gate, clock), recount, LocalLimits(Replicas()), everybody=Limits())
    return Visits(door, clock)


async def test_a_request_counts_also_where_no_token_and_no_cent_is_left(
    redis_link: RedisLink, postgres: Postgres, redis_prefix: str
) -> None:
    counting = visits(redis_link, postgres, redis_prefix)
    await counting.count(LIMITED, "r1")
    await counting.count(LIMITED, "r2")
    with pytest.raises(CallerLimited) as refused:
        await counting.count(LIMITED, "r3")
    assert refused.value.kind == "requests"


async def test_who_has_no_limits_costs_nothing(postgres: Postgres, redis_prefix: str) -> None:
    away = RedisLink("redis://127.0.0.1:4849/0", timeout=0.1, clock=SystemClock())
    await visits(away, postgres, redis_prefix).count(FREE, "r1")


async def test_without_redis_nobody_is_kept_out(postgres: Postgres, redis_prefix: str) -> None:
    away = RedisLink("redis://127.0.0.1:4849/0", timeout=0.1, clock=SystemClock())
    counting = visits(away, postgres, redis_prefix)
    for number in range(5):
        await counting.count(LIMITED, f"r{number}")
