"""A key is created, listed in pages, changed and revoked over the admin API; changes contain only the given fields."""

from typing import Any

import pytest
from msgspec import UNSET

from tests.web.api_client import NO_LIMITS, ApiClient
from tidegate.auth import key_format
from tidegate.auth.grants import KeyChange, LimitsChange
from tidegate.auth.key_store import KeyRecord
from tidegate.core.values import Limits, Priority
from tidegate.web.admin.keys import KeyUpdateRequest, KeyView, NewKeyRequest

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


async def test_a_key_is_created_changed_and_revoked(api_client: ApiClient) -> None:
    made = await api_client.create_key(name="web", limits={"rpm": 60, "budget_day_usd": "1.00"}, models=["gpt-5"])
    assert key_format.parse(made.pop("key"))
    assert made["limits"] == NO_LIMITS | {"rpm": 60, "budget_day_usd": "1.00"}
    assert await api_client.get(f"/keys/{made['id']}") == made

    changes = {"limits": {"rpm": None, "budget_month_usd": "0.000001"}, "priority": "high"}
    changed = await api_client.send("PATCH", f"/keys/{made['id']}", changes)
    assert changed.json["limits"] == NO_LIMITS | {"budget_day_usd": "1.00", "budget_month_usd": "0.000001"}
    assert (changed.json["priority"], changed.json["name"], changed.json["models"]) == ("high", "web", ["gpt-5"])

    ended = await api_client.send("DELETE", f"/keys/{made['id']}")
    assert (ended.status, ended.json["state"]) == (200, "revoked")


async def test_keys_are_listed_in_pages(api_client: ApiClient) -> None:
    made = {(await api_client.create_key(project=project))["id"] for project in ("shop", "shop", "bank")}
    first = await api_client.get("/keys?limit=2&project=shop")
    assert (len(first["data"]), first["has_more"], first["last"]) == (2, False, None)
    page, seen = await api_client.get("/keys?limit=2"), set()
    seen |= {key["id"] for key in page["data"]}
    assert page["has_more"]
    page = await api_client.get(f"/keys?limit=2&after={page['last']}")
    seen |= {key["id"] for key in page["data"]}
    assert not page["has_more"]
    assert made < seen


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({}, KeyChange()),
        ({"limits": {"rpm": None}}, KeyChange(limits=LimitsChange(rpm=None))),
        ({"limits": {"budget_day_usd": "0.10"}}, KeyChange(limits=LimitsChange(budget_day=10**8))),
        ({"name": "", "expires_at": None}, KeyChange(name="", expires_at=None)),
        ({"priority": None, "models": []}, KeyChange(priority=None, models=())),
        ({"priority": "high", "models": ["b", "a", "b"]}, KeyChange(priority=Priority.HIGH, models=("b", "a"))),
    ],
)
def test_a_change_contains_only_the_given_fields(fields: dict[str, Any], change: KeyChange) -> None:
    assert KeyUpdateRequest.model_validate(fields).to_change() == change


def test_a_new_key_gets_the_requested_grants() -> None:
    granted = NewKeyRequest.model_validate({"project": "shop", "limits": {"tpm": 7}}).to_grants()
    assert (granted.limits, granted.priority, granted.models) == (LimitsChange(tpm=7), None, ())
    assert granted.name is UNSET


def test_a_view_has_the_state_at_its_time() -> None:
    shown = KeyView.of(RECORD, 6.0)
    assert (shown.state, shown.priority, shown.models) == ("expired", "low", ["gpt-5"])
    assert (shown.limits.rpm, shown.limits.budget_day_usd, shown.limits.tpm) == (0, "0.000000001", None)
