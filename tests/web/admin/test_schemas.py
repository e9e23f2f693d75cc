"""Limits survive a round trip exactly, pages are cut right, and a schema names a field that it does not know."""

from typing import Any

import pytest
from pydantic import ValidationError

from tidegate.auth.grants import LimitsChange
from tidegate.core.money import MAX_NANOS
from tidegate.core.values import Limits
from tidegate.web.admin.keys import NewKeyRequest
from tidegate.web.admin.schemas import LimitsSchema, Schema, split_page


@pytest.mark.parametrize(
    "limits", [Limits(), Limits(rpm=0, rpd=1, tpm=2, concurrency=3), Limits(budget_month=MAX_NANOS)]
)
def test_limits_come_back_as_they_went(limits: Limits) -> None:
    change = LimitsSchema.model_validate(LimitsSchema.of(limits).model_dump()).to_change()
    assert change == LimitsChange(**{name: getattr(limits, name) for name in limits.__struct_fields__})


@pytest.mark.parametrize(
    ("schema", "fields", "message"),
    [
        (NewKeyRequest, {"project": "a", "model": []}, "did you mean models?"),
        (LimitsSchema, {"qqq": 1}, "known are rpm, rpd"),
        (LimitsSchema, {"budget_day_usd": "9000001"}, "the maximum of a limit"),
        (NewKeyRequest, {"project": ""}, "at least 1 character"),
        (NewKeyRequest, {"project": "a", "models": ["x"] * 101}, "at most 100"),
        (NewKeyRequest, {"project": "a", "name": "\x1b[31m"}, "printable"),
        (NewKeyRequest, {"project": "a", "expires_at": float("inf")}, "less than or equal"),
        (NewKeyRequest, {"project": "a", "admin": 1}, "valid boolean"),
    ],
)
def test_an_invalid_field_is_rejected_with_a_reason(schema: type[Schema], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        schema.model_validate(fields)
    assert message in str(refusal.value)


def test_a_page_names_its_last_entry_only_if_more_follow() -> None:
    assert split_page([1, 2], 2) == ([1, 2], None)
    assert split_page([1, 2, 3], 2) == ([1, 2], 2)
