"""While Redis is away a process keeps its share of each limit by itself, with the same arithmetic."""

from typing import Any

import pytest

from tests.limits.script_parts import NOON
from tidegate.limits.decision import Refuse
from tidegate.limits.local_limits import LocalLimits
from tidegate.limits.scopes import Scope, Terms, period_of
from tidegate.queue.replicas import Replicas

DAY = 86_400.0


def terms(name: str, *scopes: Scope, now: float = NOON, **fields: Any) -> Terms:
    period = period_of(now)
    given: dict[str, Any] = {"k": 10, "c": 0, "lease": 30.0, **fields}
    return Terms(
        p="{t}", id=name, d=period.day, m=period.month, midnight=period.midnight, month_end=period.month_end,
        n=tuple(scope.n for scope in scopes), scopes=scopes, **given,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("scope", "passed", "what", "wait"),
    [
        (Scope(n="a", rpm=3), 3, "requests", 20.0),
        (Scope(n="a", rpd=2), 2, "day", DAY / 2),
        (Scope(n="a", tpm=45), 4, "tokens", 6.667),
        (Scope(n="a", cc=2), 2, "concurrency", 1.0),
        (Scope(n="a", rpm=0), 0, "requests", None),
        (Scope(n="a", rpd=0), 0, "day", None),
        (Scope(n="a", cc=0), 0, "concurrency", None),
        (Scope(n="a", tpm=9), 0, "too_large", None),
    ],
)
def test_a_limit_is_kept(scope: Scope, passed: int, what: str, wait: float | None) -> None:
    local = LocalLimits(Replicas())
    for number in range(passed):
        assert local.refuse_or_take(terms(f"r{number}", scope), now=NOON) is None
    refusal = local.refuse_or_take(terms("r", scope), now=NOON)
    assert isinstance(refusal, Refuse)
    assert (refusal.what, refusal.scope) == (what, "a")
    assert refusal.wait == (None if wait is None else pytest.approx(wait, abs=0.001))


def test_the_longest_wait_is_told_and_is_true() -> None:
    local = LocalLimits(Replicas())
    both = (Scope(n="a", rpm=60), Scope(n="b", rpm=1))
    assert local.refuse_or_take(terms("r0", *both), now=NOON) is None
    refusal = local.refuse_or_take(terms("r1", *both), now=NOON)
    assert refusal is not None
    assert (refusal.scope, refusal.wait) == ("b", 60.0)
    assert local.refuse_or_take(terms("r2", *both), now=NOON + 59.9) is not None
    assert local.refuse_or_take(terms("r3", *both), now=NOON + 60) is None


def test_a_refusal_takes_nothing() -> None:
    local = LocalLimits(Replicas())
    both = (Scope(n="a", rpm=2), Scope(n="b", rpm=1))
    for number in range(5):
        local.refuse_or_take(terms(f"r{number}", *both), now=NOON)
    assert local.refuse_or_take(terms("r", Scope(n="a", rpm=2)), now=NOON) is None


def test_each_replica_takes_its_share_but_at_least_one() -> None:
    local = LocalLimits(Replicas(3))
    passed = [local.refuse_or_take(terms(f"r{n}", Scope(n="a", rpm=7)), now=NOON) is None for n in range(4)]
    assert passed == [True, True, False, False]
    assert local.refuse_or_take(terms("s", Scope(n="b", rpm=2)), now=NOON) is None


def test_a_call_that_is_over_makes_room() -> None:
    local = LocalLimits(Replicas())
    one = Scope(n="a", cc=1)
    assert local.refuse_or_take(terms("r", one), now=NOON) is None
    assert local.refuse_or_take(terms("s", one), now=NOON) is not None
    local.ended("r")
    local.ended("r")
    assert local.refuse_or_take(terms("s", one), now=NOON) is None


def test_who_waits_for_another_takes_no_tokens() -> None:
    local = LocalLimits(Replicas())
    scope = Scope(n="a", tpm=10)
    assert local.refuse_or_take(terms("r", scope), now=NOON) is None
    assert local.refuse_or_take(terms("s", scope), now=NOON, spends=False) is None
    assert local.refuse_or_take(terms("t", scope), now=NOON) is not None


def test_a_new_day_is_a_new_day() -> None:
    local = LocalLimits(Replicas())
    scope = Scope(n="a", rpd=1)
    assert local.refuse_or_take(terms("r", scope), now=NOON) is None
    assert local.refuse_or_take(terms("s", scope), now=NOON) is not None
    assert local.refuse_or_take(terms("s", scope, now=NOON + DAY), now=NOON + DAY) is None


def test_of_very_many_the_longest_unused_is_forgotten() -> None:
    local = LocalLimits(Replicas())
    for number in range(10_001):
        local.refuse_or_take(terms("r", Scope(n=f"user/{number}", rpm=1)), now=NOON)
    assert local.refuse_or_take(terms("r", Scope(n="user/0", rpm=1)), now=NOON) is None
    assert local.refuse_or_take(terms("r", Scope(n="user/10000", rpm=1)), now=NOON) is not None
