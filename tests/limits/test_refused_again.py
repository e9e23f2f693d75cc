"""A caller refused for its requests a minute is refused again without asking Redis, and not for too long."""

import pytest

from tests.limits.script_parts import NOON, ScriptCalls
from tidegate.core.errors import CallerRateLimited
from tidegate.core.values import Caller, Limits
from tidegate.limits.decision import LimitRejection
from tidegate.limits.rejections import RefusalMemory
from tidegate.limits.scopes import LimitScope
from tidegate.storage.redis import RedisLink

CALLER = Caller(key_id="a", project="shop", name="x", limits=Limits(rpm=6), project_limits=Limits(rpm=60))


def rejection(**changes: object) -> LimitRejection:
    fields = {"kind": "requests", "scope": "key/a", "limit": 6.0, "used": 6.0, "requested": 1.0, "wait": 10.0}
    return LimitRejection(**{**fields, **changes})  # type: ignore[arg-type]  # the fields by name


async def test_the_second_refusal_says_what_redis_would_say(redis_link: RedisLink, redis_prefix: str) -> None:
    calls, memory = ScriptCalls(redis_link, redis_prefix), RefusalMemory()
    limited = [LimitScope(name="key/a", rpm=6)]
    for number in range(6):
        await calls.admit(f"r{number}", limited)
    first = await calls.admit("r6", limited)
    assert isinstance(first, LimitRejection)
    memory.note(first, NOON)
    later = await calls.admit("r7", limited, now=NOON + 0.5)
    assert isinstance(later, LimitRejection)
    error = memory.error(CALLER, NOON + 0.5)
    assert isinstance(error, CallerRateLimited)
    assert later.wait is not None
    assert error.retry_after == pytest.approx(later.wait, abs=0.001)
    assert f"Used {later.used:.0f}" in error.message


@pytest.mark.parametrize("scope", ["key/a", "project/shop"])
def test_a_refusal_is_remembered_for_a_second(scope: str) -> None:
    memory = RefusalMemory()
    memory.note(rejection(scope=scope, limit=6.0 if scope == "key/a" else 60.0), NOON)
    assert memory.error(CALLER, NOON + 0.9) is not None
    assert memory.error(CALLER, NOON + 1.0) is None
    assert not memory


def test_a_short_wait_is_remembered_until_it_is_over() -> None:
    memory = RefusalMemory()
    memory.note(rejection(wait=0.2), NOON)
    assert memory.error(CALLER, NOON + 0.1) is not None
    assert memory.error(CALLER, NOON + 0.2) is None


def test_a_limit_that_was_changed_is_asked_for_anew() -> None:
    memory = RefusalMemory()
    memory.note(rejection(), NOON)
    raised = Caller(key_id="a", project="shop", name="x", limits=Limits(rpm=7))
    assert memory.error(raised, NOON) is None


@pytest.mark.parametrize(
    "other",
    [
        rejection(kind="tokens"),
        rejection(kind="concurrency", wait=1.0),
        rejection(kind="budget_held", wait=1.0),
        rejection(scope="user/shop/ann"),
        rejection(scope="all"),
        rejection(wait=None),
    ],
    ids=lambda other: f"{other.kind} of {other.scope}",
)
def test_what_another_call_might_pass_is_not_remembered(other: LimitRejection) -> None:
    memory = RefusalMemory()
    memory.note(other, NOON)
    assert not memory


def test_only_so_many_are_remembered() -> None:
    memory = RefusalMemory()
    for number in range(2_500):
        memory.note(rejection(scope=f"key/{number}"), NOON)
    assert len(memory) <= 1000
