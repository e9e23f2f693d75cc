"""While Redis is away a process enforces its share of each limit, with the same arithmetic."""

from typing import Any

import pytest

from tests.limits.script_parts import NOON
from tidegate.limits.budget_calendar import period_of
from tidegate.limits.decision import LimitRejection
from tidegate.limits.local_limits import LocalLimits
from tidegate.limits.scopes import LimitScope, Reservation
from tidegate.queue.replicas import Replicas

DAY = 86_400.0


def reservation(name: str, *scopes: LimitScope, now: float = NOON, **fields: Any) -> Reservation:
    period = period_of(now)
    amounts: dict[str, Any] = {"tokens": 10, "cost_nanos": 0, "lease_seconds": 30.0, **fields}
    return Reservation(
        prefix="{t}", id=name, day=period.day, month=period.month, midnight=period.midnight, month_end=period.month_end,
        scope_names=tuple(scope.name for scope in scopes), scopes=scopes, **amounts,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("scope", "passed", "what", "wait"),
    [
        (LimitScope(name="a", rpm=3), 3, "requests", 20.0),
        (LimitScope(name="a", rpd=2), 2, "day", DAY / 2),
        (LimitScope(name="a", tpm=45), 4, "tokens", 6.667),
        (LimitScope(name="a", concurrency=2), 2, "concurrency", 1.0),
        (LimitScope(name="a", rpm=0), 0, "requests", None),
        (LimitScope(name="a", rpd=0), 0, "day", None),
        (LimitScope(name="a", concurrency=0), 0, "concurrency", None),
        (LimitScope(name="a", tpm=9), 0, "too_large", None),
    ],
)
def test_a_limit_is_kept(scope: LimitScope, passed: int, what: str, wait: float | None) -> None:
    local = LocalLimits(Replicas())
    for number in range(passed):
        assert local.reject_or_take(reservation(f"r{number}", scope), now=NOON) is None
    refusal = local.reject_or_take(reservation("r", scope), now=NOON)
    assert isinstance(refusal, LimitRejection)
    assert (refusal.kind, refusal.scope) == (what, "a")
    assert refusal.wait == (None if wait is None else pytest.approx(wait, abs=0.001))


def test_the_longest_wait_is_returned_and_is_exact() -> None:
    local = LocalLimits(Replicas())
    both = (LimitScope(name="a", rpm=60), LimitScope(name="b", rpm=1))
    assert local.reject_or_take(reservation("r0", *both), now=NOON) is None
    refusal = local.reject_or_take(reservation("r1", *both), now=NOON)
    assert refusal is not None
    assert (refusal.scope, refusal.wait) == ("b", 60.0)
    assert local.reject_or_take(reservation("r2", *both), now=NOON + 59.9) is not None
    assert local.reject_or_take(reservation("r3", *both), now=NOON + 60) is None


def test_a_refusal_takes_nothing() -> None:
    local = LocalLimits(Replicas())
    both = (LimitScope(name="a", rpm=2), LimitScope(name="b", rpm=1))
    for number in range(5):
        local.reject_or_take(reservation(f"r{number}", *both), now=NOON)
    assert local.reject_or_take(reservation("r", LimitScope(name="a", rpm=2)), now=NOON) is None


def test_each_replica_takes_its_share_but_at_least_one() -> None:
    local = LocalLimits(Replicas(3))
    passed = [
        local.reject_or_take(reservation(f"r{n}", LimitScope(name="a", rpm=7)), now=NOON) is None for n in range(4)
    ]
    assert passed == [True, True, False, False]
    assert local.reject_or_take(reservation("s", LimitScope(name="b", rpm=2)), now=NOON) is None


def test_a_request_that_ends_frees_its_slot() -> None:
    local = LocalLimits(Replicas())
    one = LimitScope(name="a", concurrency=1)
    assert local.reject_or_take(reservation("r", one), now=NOON) is None
    assert local.reject_or_take(reservation("s", one), now=NOON) is not None
    local.release("r")
    local.release("r")
    assert local.reject_or_take(reservation("s", one), now=NOON) is None


def test_a_request_that_joins_takes_no_tokens() -> None:
    local = LocalLimits(Replicas())
    scope = LimitScope(name="a", tpm=10)
    assert local.reject_or_take(reservation("r", scope), now=NOON) is None
    assert local.reject_or_take(reservation("s", scope), now=NOON, spends=False) is None
    assert local.reject_or_take(reservation("t", scope), now=NOON) is not None


def test_a_new_day_is_a_new_day() -> None:
    local = LocalLimits(Replicas())
    scope = LimitScope(name="a", rpd=1)
    assert local.reject_or_take(reservation("r", scope), now=NOON) is None
    assert local.reject_or_take(reservation("s", scope), now=NOON) is not None
    assert local.reject_or_take(reservation("s", scope, now=NOON + DAY), now=NOON + DAY) is None


def test_the_least_recently_used_counters_are_dropped() -> None:
    local = LocalLimits(Replicas())
    for number in range(10_001):
        local.reject_or_take(reservation("r", LimitScope(name=f"user/{number}", rpm=1)), now=NOON)
    assert local.reject_or_take(reservation("r", LimitScope(name="user/0", rpm=1)), now=NOON) is None
    assert local.reject_or_take(reservation("r", LimitScope(name="user/10000", rpm=1)), now=NOON) is not None
