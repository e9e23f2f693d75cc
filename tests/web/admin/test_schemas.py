"""The admin API's shapes: exact money, changes that name only what was said, and no field nobody knows."""

from typing import Any

import pytest
from msgspec import UNSET
from pydantic import ValidationError

from tidegate.auth.grants import KeyChange, LimitsChange, ProjectChange
from tidegate.auth.key_store import KeyRecord
from tidegate.core.money import MAX_NANOS
from tidegate.core.values import Limits, Priority
from tidegate.limits.budget_report import Budget
from tidegate.web.admin.schemas import (
    BudgetView,
    KeyUpdateRequest,
    KeyView,
    LimitsSchema,
    NewKeyRequest,
    ProjectUpdateRequest,
    Schema,
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
    "limits", [Limits(), Limits(rpm=0, rpd=1, tpm=2, concurrency=3), Limits(budget_month=MAX_NANOS)]
)
def test_limits_come_back_as_they_went(limits: Limits) -> None:
    change = LimitsSchema.model_validate(LimitsSchema.of(limits).model_dump()).to_change()
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
    assert KeyUpdateRequest.model_validate(said).to_change() == change


def test_a_change_of_a_project_says_only_what_was_said() -> None:
    assert ProjectUpdateRequest.model_validate({}).to_change() == ProjectChange()
    said = {"user_limits": {"rpd": 5}, "priority": "normal"}
    expected = ProjectChange(user_limits=LimitsChange(rpd=5), priority=Priority.NORMAL)
    assert ProjectUpdateRequest.model_validate(said).to_change() == expected


def test_a_new_key_is_granted_what_was_asked() -> None:
    granted = NewKeyRequest.model_validate({"project": "shop", "limits": {"tpm": 7}}).to_grants()
    assert (granted.limits, granted.priority, granted.models) == (LimitsChange(tpm=7), None, ())
    assert granted.name is UNSET


def test_a_key_is_shown_as_it_stands() -> None:
    shown = KeyView.of(RECORD, 6.0)
    assert (shown.state, shown.priority, shown.models) == ("expired", "low", ["gpt-5"])
    assert (shown.limits.rpm, shown.limits.budget_day_usd, shown.limits.tpm) == (0, "0.000000001", None)


def test_a_budget_is_shown_in_dollars() -> None:
    budget = Budget(scope="all", kind="all", period="day", spent=1, reserved=2 * 10**9, budget=None, renews_at=9.0)
    shown = BudgetView.of(budget)
    assert (shown.spent_usd, shown.reserved_usd, shown.budget_usd, shown.used_ratio) == (
        "0.000000001",
        "2.00",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("shape", "given", "says"),
    [
        (NewKeyRequest, {"project": "a", "model": []}, "did you mean models?"),
        (LimitsSchema, {"qqq": 1}, "known are rpm, rpd"),
        (LimitsSchema, {"budget_day_usd": "9000001"}, "the most that can be a limit"),
        (NewKeyRequest, {"project": ""}, "at least 1 character"),
        (NewKeyRequest, {"project": "a", "models": ["x"] * 101}, "at most 100"),
        (NewKeyRequest, {"project": "a", "name": "\x1b[31m"}, "printable"),
        (NewKeyRequest, {"project": "a", "expires_at": float("inf")}, "less than or equal"),
        (NewKeyRequest, {"project": "a", "admin": 1}, "valid boolean"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(shape: type[Schema], given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        shape.model_validate(given)
    assert says in str(refusal.value)
