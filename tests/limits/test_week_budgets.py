"""A week's budget is held and charged as a day's is, ends on Sunday, and is not spent after a release without weeks."""

import pytest

from tests.limits.script_parts import NOON, ScriptCalls
from tidegate.limits.budget_calendar import period_of
from tidegate.limits.decision import LimitRejection, RebuildNeeded, SendUpstream
from tidegate.limits.scopes import LimitScope
from tidegate.storage.redis import RedisLink

WEEK = "2026-W48"


async def test_a_week_is_not_spent_after_a_release_that_counts_none(redis_link: RedisLink, redis_prefix: str) -> None:
    calls = await ScriptCalls(redis_link, redis_prefix).with_valid_counters()
    await calls.link.command("SET", f"{calls.key_prefix}:counted", "2:count_1")
    weekly, daily = [LimitScope(name="key/a", budget_week=1000)], [LimitScope(name="key/a", budget_day=1000)]
    assert isinstance(await calls.admit("w", weekly, cost_nanos=1), RebuildNeeded)
    assert isinstance(await calls.admit("d", daily, cost_nanos=1), SendUpstream)


async def test_a_week_ends_on_sunday_and_its_calls_are_told_how_much_is_left(
    redis_link: RedisLink, redis_prefix: str
) -> None:
    calls = await ScriptCalls(redis_link, redis_prefix).with_valid_counters()
    weekly = [LimitScope(name="key/a", budget_week=1000)]
    first = calls.request("r", weekly, cost_nanos=900)
    admitted = await calls.scripts.admit(first)
    assert isinstance(admitted, SendUpstream)
    assert await calls.counter("held", "key/a", WEEK) == 900
    await calls.scripts.settle(calls.settlement(first, admitted.dataset_id, cost_nanos=850))
    assert (await calls.counter("spent", "key/a", WEEK), await calls.counter("held", "key/a", WEEK)) == (850, 0)
    told = await calls.admit("s", weekly, cost_nanos=100)
    assert isinstance(told, SendUpstream)
    assert told.remaining_limits.budget is not None
    assert (told.remaining_limits.budget.period, told.remaining_limits.budget.spent) == ("week", 850)
    over = await calls.admit("t", weekly, cost_nanos=200)
    assert isinstance(over, LimitRejection)
    assert over.wait is not None
    assert over.wait == pytest.approx(period_of(NOON).week_end - NOON)
    sunday_night = period_of(NOON).week_end
    assert isinstance(await calls.admit("u", weekly, cost_nanos=200, now=sunday_night), SendUpstream)
