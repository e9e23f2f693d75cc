"""The admin API's shapes: exact money, changes that name only what was said, and no field nobody knows."""

from typing import Any

import pytest
from msgspec import UNSET
from pydantic import ValidationError

from tidegate.auth.grants import KeyChange, LimitsChange, ProjectChange
from tidegate.auth.key_store import KeyRecord
from tidegate.core.money import MOST_NANOS
from tidegate.core.values import Limits, Priority
from tidegate.limits.budget_report import Budget
from tidegate.web.admin.schemas import (
    BudgetShown,
    KeyAsked,
    KeyChanges,
    KeyShown,
    LimitsShape,
    ProjectChanges,
    Shape,
)

RECORD = KeyRecord(
    id="key_1",
    project="shop",
    name="web",
    hint="abcd",
    created_at=1.0,
    expires_at=5.0,
    revoked_at=None,
    limits=Limits(rpm=0, budget_day=1),
    priority=Priority.LOW,
    models=("gpt-5",),
)


@pytest.mark.parametrize(
    "limits", [Limits(), Limits(rpm=0, rpd=1, tpm=2, concurrency=3), Limits(budget_month=MOST_NANOS)]
)
def test_limits_come_back_as_they_went(limits: Limits) -> None:
    change = LimitsShape.model_validate(LimitsShape.of(limits).model_dump()).change()
    assert change == LimitsChange(**{name: getattr(limits, name) for name in limits.__struct_fields__})


@pytest.mark.parametrize(
    ("said", "change"),
    [
        ({}, KeyChange()),
        ({"limits": {"rpm": None}}, KeyChange(limits=LimitsChange(rpm=None))),
        ({"limits": {"budget_day_usd": "0.10"}}, KeyChange(limits=LimitsChange(budget_day=10**8))),
        ({"name": "", "expires_at": None}, KeyChange(name="", expires_at=None)),
        ({"priority": None, "models": []}, KeyChange(priority=None, models=())),
        ({"priority": "high", "models": ["b", "a", "b"]}, KeyChange(priority=Priority.HIGH, models=("b", "a"))),
    ],
)
def test_a_change_of_a_key_says_only_what_was_said(said: dict[str, Any], change: KeyChange) -> None:
    assert KeyChanges.model_validate(said).change() == change


def test_a_change_of_a_project_says_only_what_was_said() -> None:
    assert ProjectChanges.model_validate({}).change() == ProjectChange()
    said = {"user_limits": {"rpd": 5}, "priority": "normal"}
    expected = ProjectChange(user_limits=LimitsChange(rpd=5), priority=Priority.NORMAL)
    assert ProjectChanges.model_validate(said).change() == expected


def test_a_new_key_is_granted_what_was_asked() -> None:
    granted = KeyAsked.model_validate({"project": "shop", "limits": {"tpm": 7}}).granted()
    assert (granted.limits, granted.priority, granted.models) == (LimitsChange(tpm=7), None, ())
    assert granted.name is UNSET


def test_a_key_is_shown_as_it_stands() -> None:
    shown = KeyShown.of(RECORD, 6.0)
    assert (shown.state, shown.priority, shown.models) == ("expired", "low", ["gpt-5"])
    assert (shown.limits.rpm, shown.limits.budget_day_usd, shown.limits.tpm) == (0, "0.000000001", None)


def test_a_budget_is_shown_in_dollars() -> None:
    budget = Budget(scope="all", kind="all", period="day", spent=1, held=2 * 10**9, budget=None, renews_at=9.0)
    shown = BudgetShown.of(budget)
    assert (shown.spent_usd, shown.held_usd, shown.budget_usd, shown.share) == ("0.000000001", "2.00", None, None)


@pytest.mark.parametrize(
    ("shape", "given", "says"),
    [
        (KeyAsked, {"project": "a", "model": []}, "did you mean models?"),
        (LimitsShape, {"qqq": 1}, "known are rpm, rpd"),
        (LimitsShape, {"budget_day_usd": "9000001"}, "the most that can be a limit"),
        (KeyAsked, {"project": ""}, "at least 1 character"),
        (KeyAsked, {"project": "a", "models": ["x"] * 101}, "at most 100"),
        (KeyAsked, {"project": "a", "name": "\x1b[31m"}, "printable"),
        (KeyAsked, {"project": "a", "expires_at": float("inf")}, "less than or equal"),
        (KeyAsked, {"project": "a", "admin": 1}, "valid boolean"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(shape: type[Shape], given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        shape.model_validate(given)
    assert says in str(refusal.value)
