"""A plan says where a call may be answered, and a caller can take rungs away but never add one."""

import msgspec
import pytest

from tidegate.providers.target import Target
from tidegate.routing.plan import ALL, NONE, Canned, Plan, Rungs

PLAN = Plan(model="gpt-4o", targets=(Target("openai", "gpt-4o"), Target("azure", "four-o")), stale_for=60.0)
NAMES = Rungs.__struct_fields__


def test_every_rung_is_there_unless_it_is_switched_off() -> None:
    assert PLAN.rungs == ALL
    assert all(getattr(ALL, name) for name in NAMES)
    assert not any(getattr(NONE, name) for name in NAMES)


@pytest.mark.parametrize("mine", [True, False])
@pytest.mark.parametrize("theirs", [True, False])
@pytest.mark.parametrize("rung", NAMES)
def test_a_rung_is_kept_where_both_want_it(rung: str, mine: bool, theirs: bool) -> None:
    plan = msgspec.structs.replace(PLAN, rungs=msgspec.structs.replace(ALL, **{rung: mine}))
    kept = plan.keeping(msgspec.structs.replace(ALL, **{rung: theirs}))
    assert getattr(kept.rungs, rung) is (mine and theirs)
    assert [name for name in NAMES if not getattr(kept.rungs, name)] == ([] if mine and theirs else [rung])
    assert (kept.targets, kept.stale_for) == (plan.targets, plan.stale_for)


def test_plans_do_not_change() -> None:
    with pytest.raises(AttributeError):
        PLAN.stale_for = 1.0  # type: ignore[misc]  # that is what is shown here
    assert msgspec.structs.replace(PLAN) == PLAN
    assert Canned(text="Later.") != Canned(text="Now.")
