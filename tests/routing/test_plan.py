"""A plan says where a call may be answered, and a caller can take rungs away but never add one."""

import msgspec
import pytest

from tidegate.providers.target import Target
from tidegate.routing.plan import ALL_STEPS, NO_STEPS, AllowedSteps, CannedReply, Plan

PLAN = Plan(model="gpt-4o", targets=(Target("openai", "gpt-4o"), Target("azure", "four-o")), stale_seconds=60.0)
NAMES = AllowedSteps.__struct_fields__


def test_every_rung_is_there_unless_it_is_switched_off() -> None:
    assert PLAN.allowed_steps == ALL_STEPS
    assert all(getattr(ALL_STEPS, name) for name in NAMES)
    assert not any(getattr(NO_STEPS, name) for name in NAMES)


@pytest.mark.parametrize("mine", [True, False])
@pytest.mark.parametrize("theirs", [True, False])
@pytest.mark.parametrize("rung", NAMES)
def test_a_rung_is_kept_where_both_want_it(rung: str, mine: bool, theirs: bool) -> None:
    plan = msgspec.structs.replace(PLAN, allowed_steps=msgspec.structs.replace(ALL_STEPS, **{rung: mine}))
    kept = plan.restricted_to(msgspec.structs.replace(ALL_STEPS, **{rung: theirs}))
    assert getattr(kept.allowed_steps, rung) is (mine and theirs)
    assert [name for name in NAMES if not getattr(kept.allowed_steps, name)] == ([] if mine and theirs else [rung])
    assert (kept.targets, kept.stale_seconds) == (plan.targets, plan.stale_seconds)


def test_plans_do_not_change() -> None:
    with pytest.raises(AttributeError):
        PLAN.stale_seconds = 1.0  # type: ignore[misc]  # that is what is shown here
    assert msgspec.structs.replace(PLAN) == PLAN
    assert CannedReply(text="Later.") != CannedReply(text="Now.")


@pytest.mark.parametrize(
    ("account", "targets"),
    [
        (("openai", "a"), [("gpt-4o", ("a",)), ("gpt-4o-mini", ("a",))]),
        (("openai", "b"), [("gpt-4o", ("b",))]),
        (("azure", "a"), [("gpt", ("a",))]),
        (("none", "a"), None),
    ],
)
def test_a_plan_for_what_one_account_has(
    account: tuple[str, str], targets: list[tuple[str, tuple[str, ...]]] | None
) -> None:
    plan = Plan(
        model="m",
        targets=(Target("openai", "gpt-4o"), Target("azure", "gpt"), Target("openai", "gpt-4o-mini", ("a", "c"))),
    )
    restricted = plan.restricted_to_account(*account)
    found = None if restricted is None else [(each.model, each.credentials) for each in restricted.targets]
    assert found == targets
