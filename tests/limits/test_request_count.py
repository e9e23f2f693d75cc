"""Requests that ask no model anything count in the limits of requests, and in nothing else."""

import msgspec
import pytest

from tests.limits.script_parts import NOON, ScriptCalls
from tidegate.core.clock import ManualClock, SystemClock
from tidegate.core.errors import BudgetExceeded, CallerRateLimited, RequestExceedsLimit
from tidegate.core.values import Caller, Limits
from tidegate.limits.admission import AdmissionController
from tidegate.limits.local_limits import LocalLimits
from tidegate.limits.rebuild import BudgetRebuild
from tidegate.limits.request_count import RequestCount
from tidegate.limits.reservations import Reservations
from tidegate.limits.scopes import Reservation
from tidegate.limits.scripts import limits_only
from tidegate.queue.replicas import Replicas
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

LIMITED = Caller(key_id="a", project="shop", name="x", limits=Limits(rpm=2, budget_day=0, tpm=0))
LINE = b'{"id":"r"}'
FREE = Caller(key_id="b", project="shop", name="y")


def visits(link: RedisLink, postgres: Postgres, prefix: str) -> RequestCount:
    calls, clock = ScriptCalls(link, prefix), ManualClock(NOON)
    recount = BudgetRebuild(link, postgres, prefix=prefix, clock=clock, grace_seconds=0.0)
    door = AdmissionController(
        calls.scripts, Reservations(calls.scripts, clock), recount, LocalLimits(Replicas()), global_limits=Limits()
    )
    return RequestCount(door, clock)


async def test_a_request_counts_also_where_no_token_and_no_cent_is_left(
    redis_link: RedisLink, postgres: Postgres, redis_prefix: str
) -> None:
    counting = visits(redis_link, postgres, redis_prefix)
    await counting.count(LIMITED, "r1")
    await counting.count(LIMITED, "r2")
    with pytest.raises(CallerRateLimited) as refused:
        await counting.count(LIMITED, "r3")
    assert refused.value.kind == "requests"


async def test_who_has_no_limits_costs_nothing(postgres: Postgres, redis_prefix: str) -> None:
    away = RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock())
    await visits(away, postgres, redis_prefix).count(FREE, "r1")


async def test_without_redis_nobody_is_kept_out(postgres: Postgres, redis_prefix: str) -> None:
    away = RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock())
    counting = visits(away, postgres, redis_prefix)
    for number in range(5):
        await counting.count(LIMITED, f"r{number}")


@pytest.mark.parametrize(
    ("limits", "tokens", "error"),
    [
        (Limits(rpm=0), 10, RequestExceedsLimit),
        (Limits(tpm=5), 10, RequestExceedsLimit),
        (Limits(budget_day=0), 10, BudgetExceeded),
    ],
)
async def test_a_promise_is_refused_where_it_can_never_be_kept(
    redis_link: RedisLink, postgres: Postgres, redis_prefix: str, limits: Limits, tokens: int, error: type[Exception]
) -> None:
    counting = visits(redis_link, postgres, redis_prefix)
    with pytest.raises(error):
        await counting.count_background(terms(counting, limits, "r1", tokens=tokens), LINE)


async def test_a_promise_counts_as_a_request_and_holds_nothing(
    redis_link: RedisLink, postgres: Postgres, redis_prefix: str
) -> None:
    counting = visits(redis_link, postgres, redis_prefix)
    limits = Limits(rpm=3, tpm=10, concurrency=1, budget_day=10)
    for number in range(3):
        await counting.count_background(terms(counting, limits, f"r{number}", tokens=10), LINE)
    with pytest.raises(CallerRateLimited) as refused:
        await counting.count_background(terms(counting, limits, "r4", tokens=10), LINE)
    assert refused.value.kind == "requests"


async def test_a_promise_waits_for_what_passes_and_counts_all_the_same(
    redis_link: RedisLink, postgres: Postgres, redis_prefix: str
) -> None:
    counting = visits(redis_link, postgres, redis_prefix)
    limits = Limits(rpm=2, tpm=10, concurrency=0)
    taking = terms(counting, limits, "r0", tokens=10)
    await counting._admission.admit(limits_only(_freed(taking), LINE, now=NOON))  # noqa: SLF001  # another call
    for number in (1, 2):
        await counting.count_background(terms(counting, limits, f"r{number}", tokens=10), LINE)
    with pytest.raises(CallerRateLimited):
        await counting.count_background(terms(counting, limits, "r3", tokens=10), LINE)


async def test_without_redis_everything_is_promised(postgres: Postgres, redis_prefix: str) -> None:
    away = RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock())
    counting = visits(away, postgres, redis_prefix)
    await counting.count_background(terms(counting, Limits(budget_day=10), "r1", tokens=10), LINE)


def terms(counting: RequestCount, limits: Limits, name: str, *, tokens: int) -> Reservation:
    """What a call of this size asks of a key that has these limits."""
    caller = Caller(key_id="c", project="shop", name="z", limits=limits)
    door = counting._admission  # noqa: SLF001  # the same door
    return door.reservation(name, door.scopes(caller, None), now=NOON, tokens=tokens, cost_nanos=100)


def _freed(taken: Reservation) -> Reservation:
    return msgspec.structs.replace(
        taken,
        cost_nanos=0,
        scopes=tuple(msgspec.structs.replace(scope, concurrency=None, rpm=None) for scope in taken.scopes),
    )
