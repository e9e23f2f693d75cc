"""Callers choose end users and the values of tags, so the counters of each go as soon as they are of no use."""

import pytest

from tests.limits.script_parts import NOON, ScriptCalls
from tidegate.core.errors import CallerRateLimited
from tidegate.limits.decision import Decision, JoinFlight, LimitRejection, SendUpstream
from tidegate.limits.rejections import rejection_error
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


FEW = {"max_names": 2}


@pytest.mark.parametrize(
    ("limit", "waits_until"),
    [({"rpd": 10}, 12 * 3600), ({"budget_month": 1000}, 3 * 86400 + 12 * 3600)],
    ids=["a daily limit", "a budget"],
)
@pytest.mark.parametrize("kind", ["user/{}/{}", "tag/{}/tenant/{}"])
async def test_a_project_names_so_many_end_users_and_no_more(
    redis_link: RedisLink, redis_prefix: str, kind: str, limit: dict[str, int], waits_until: int
) -> None:
    calls = await ScriptCalls(redis_link, redis_prefix).with_valid_counters()

    async def call(name: str, project: str = "shop") -> Decision:
        scope = LimitScope(name=kind.format(project, name), **limit)
        return await calls.admit(f"{project}-{name}", [scope], cost_nanos=1, **FEW)

    assert isinstance(await call("ann"), SendUpstream)
    assert isinstance(await call("bob"), SendUpstream)
    refused = await call("eve")
    assert isinstance(refused, LimitRejection)
    assert (refused.kind, refused.limit, refused.used) == ("names", 2, 2)
    assert refused.wait == pytest.approx(waits_until, abs=1)
    assert isinstance(await call("ann"), SendUpstream | JoinFlight), "who is counted already may go on"
    assert isinstance(await call("eve", project="other"), SendUpstream), "another project has a share of its own"


async def test_a_hundred_new_end_users_leave_nothing_behind_once_the_share_is_full(
    redis_link: RedisLink, redis_prefix: str
) -> None:
    calls = await ScriptCalls(redis_link, redis_prefix).with_valid_counters()
    for number in range(100):
        user = LimitScope(name=f"user/shop/{number}", rpd=10, rpm=10, budget_day=1000)
        await calls.admit(f"r{number}", [user], cost_nanos=1, **FEW)
    keys = await calls.link.command("KEYS", f"{calls.key_prefix}:*:user/shop/*")
    named = {key.decode().split("user/shop/")[1].partition(":")[0] for key in keys}
    assert named == {"0", "1"}


async def test_end_users_without_lasting_counters_are_not_bounded(redis_link: RedisLink, redis_prefix: str) -> None:
    calls = await ScriptCalls(redis_link, redis_prefix).with_valid_counters()
    for number in range(5):
        user = LimitScope(name=f"user/shop/{number}", rpm=10)
        assert isinstance(await calls.admit(f"r{number}", [user], **FEW), SendUpstream)


def test_the_error_says_what_to_do() -> None:
    refused = LimitRejection(kind="names", scope="user/t%2Fa/eve", limit=2, used=2, requested=1, wait=90)
    error = rejection_error(refused, now=NOON)
    assert isinstance(error, CallerRateLimited)
    assert error.retry_after == 90
    assert error.message == (
        "Project t/a has named 2 end users or tags with limits, the most that are counted (`budgets.max_end_users`); "
        "end user eve is a new one. The call was not sent. Name one that is counted already, or try again in 1m30s."
    )
