"""Callers choose end users and the values of tags, so the counters of each go as soon as they are of no use."""

import pytest

from tests.limits.script_parts import NOON, ScriptCalls
from tidegate.limits.decision import SendUpstream
from tidegate.limits.scopes import LimitScope
from tidegate.storage.redis import RedisLink

DAY = "2026-11-27"


@pytest.mark.parametrize("name", ["user/shop/ann", "tag/shop/tenant/acme"])
async def test_an_end_user_leaves_little_behind(redis_link: RedisLink, redis_prefix: str, name: str) -> None:
    calls = await ScriptCalls(redis_link, redis_prefix).with_valid_counters()
    ann = LimitScope(name=name, rpd=10, budget_day=1000, budget_month=1000)
    for nanos in (0, 300):
        request = calls.request(f"r{nanos}", [ann], cost_nanos=500, now=NOON)
        admitted = await calls.scripts.admit(request)
        assert isinstance(admitted, SendUpstream)
        await calls.settle(request, admitted.dataset_id, cost_nanos=nanos)
    keys = await calls.link.command("KEYS", f"{calls.key_prefix}:*:{name}*")
    kinds = sorted(key.decode().removeprefix(f"{calls.key_prefix}:").partition(":")[0] for key in keys)
    assert kinds == ["rpd", "spent", "spent", "spent"], "what calls reserved is gone"
    until_midnight = 12 * 3600
    assert await calls.link.command("TTL", f"{calls.key_prefix}:rpd:{name}:{DAY}") <= until_midnight + 3600
