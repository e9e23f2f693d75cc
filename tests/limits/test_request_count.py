"""Requests that are not sent to a model count in the limits on requests, and in no other limit."""

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


def make_counter(link: RedisLink, postgres: Postgres, prefix: str) -> RequestCount:
    calls, clock = ScriptCalls(link, prefix), ManualClock(NOON)
    recount = BudgetRebuild(link, postgres, prefix=prefix, clock=clock, grace_seconds=0.0)
    admission = AdmissionController(
        calls.scripts, Reservations(calls.scripts, clock), recount, LocalLimits(Replicas()), global_limits=Limits()
    )
    return RequestCount(admission, clock)


async def test_a_request_counts_also_where_no_token_and_no_cent_is_left(
    redis_link: RedisLink, postgres: Postgres, redis_prefix: str
) -> None:
    counter = make_counter(redis_link, postgres, redis_prefix)
    await counter.count(LIMITED, "r1")
    await counter.count(LIMITED, "r2")
    with pytest.raises(CallerRateLimited) as refused:
        await counter.count(LIMITED, "r3")
    assert refused.value.kind == "requests"


async def test_a_caller_without_limits_causes_no_round_trip(postgres: Postgres, redis_prefix: str) -> None:
    away = RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock())
    await make_counter(away, postgres, redis_prefix).count(FREE, "r1")


async def test_without_redis_no_request_is_rejected(postgres: Postgres, redis_prefix: str) -> None:
    away = RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock())
    counter = make_counter(away, postgres, redis_prefix)
    for number in range(5):
        await counter.count(LIMITED, f"r{number}")


@pytest.mark.parametrize(
    ("limits", "tokens", "error"),
    [
        (Limits(rpm=0), 10, RequestExceedsLimit),
        (Limits(tpm=5), 10, RequestExceedsLimit),
        (Limits(budget_day=0), 10, BudgetExceeded),
    ],
)
async def test_a_background_request_that_can_never_run_is_rejected(
    redis_link: RedisLink, postgres: Postgres, redis_prefix: str, limits: Limits, tokens: int, error: type[Exception]
) -> None:
    counter = make_counter(redis_link, postgres, redis_prefix)
    with pytest.raises(error):
        await counter.count_background(reservation(counter, limits, "r1", tokens=tokens), LINE)


async def test_a_background_request_counts_as_a_request_and_reserves_nothing(
    redis_link: RedisLink, postgres: Postgres, redis_prefix: str
) -> None:
    counter = make_counter(redis_link, postgres, redis_prefix)
    limits = Limits(rpm=3, tpm=10, concurrency=1, budget_day=10)
    for number in range(3):
        await counter.count_background(reservation(counter, limits, f"r{number}", tokens=10), LINE)
    with pytest.raises(CallerRateLimited) as refused:
        await counter.count_background(reservation(counter, limits, "r4", tokens=10), LINE)
    assert refused.value.kind == "requests"


async def test_a_background_request_is_not_rejected_by_limits_that_pass_and_counts(
    redis_link: RedisLink, postgres: Postgres, redis_prefix: str
) -> None:
    counter = make_counter(redis_link, postgres, redis_prefix)
    limits = Limits(rpm=2, tpm=10, concurrency=0)
    first = reservation(counter, limits, "r0", tokens=10)
    await counter._admission.admit(limits_only(_freed(first), LINE, now=NOON))  # noqa: SLF001  # another call
    for number in (1, 2):
        await counter.count_background(reservation(counter, limits, f"r{number}", tokens=10), LINE)
    with pytest.raises(CallerRateLimited):
        await counter.count_background(reservation(counter, limits, "r3", tokens=10), LINE)


async def test_without_redis_every_background_request_is_accepted(postgres: Postgres, redis_prefix: str) -> None:
    away = RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock())
    counter = make_counter(away, postgres, redis_prefix)
    await counter.count_background(reservation(counter, Limits(budget_day=10), "r1", tokens=10), LINE)


def reservation(counter: RequestCount, limits: Limits, name: str, *, tokens: int) -> Reservation:
    """Return the reservation of a request of this size for a key with these limits."""
    caller = Caller(key_id="c", project="shop", name="z", limits=limits)
    admission = counter._admission  # noqa: SLF001  # the same admission
    return admission.reservation(name, admission.scopes.of(caller, None), now=NOON, tokens=tokens, cost_nanos=100)


def _freed(reservation: Reservation) -> Reservation:
    return msgspec.structs.replace(
        reservation,
        cost_nanos=0,
        scopes=tuple(msgspec.structs.replace(scope, concurrency=None, rpm=None) for scope in reservation.scopes),
    )
