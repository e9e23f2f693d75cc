"""A route has at least one target; weights need the strategy `weighted`."""

from typing import Any

import pytest
from pydantic import ValidationError

from tidegate.core.config.sections.routes import RouteConfig

A, B = {"provider": "openai"}, {"provider": "azure", "model": "four-o"}


@pytest.mark.parametrize(
    "table",
    [
        {"targets": [A]},
        {"targets": [A, B], "strategy": "weighted"},
        {"targets": [{**A, "weight": 9}, {**B, "weight": 0}], "strategy": "weighted"},
        {"targets": [A], "fallback_steps": {"stale": False}, "stale_for_seconds": 0, "canned_reply": "Back soon."},
    ],
)
def test_a_route(table: dict[str, Any]) -> None:
    assert RouteConfig.model_validate(table).targets[0].provider == "openai"


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({}, "targets"),
        ({"targets": []}, "targets"),
        ({"targets": [A] * 33}, "targets"),
        ({"targets": [{"model": "x"}]}, "provider"),
        ({"targets": [{**A, "weight": 1}]}, "only with strategy"),
        ({"targets": [{**A, "weight": 0}], "strategy": "weighted"}, "above 0"),
        ({"targets": [{**A, "weight": -1}], "strategy": "weighted"}, "weight"),
        ({"targets": [A], "strategy": "random"}, "strategy"),
        ({"targets": [A], "stale_for_seconds": -1}, "stale_for_seconds"),
        ({"targets": [A], "canned_reply": ""}, "canned_reply"),
        ({"targets": [A], "fallbacks": True}, "fallbacks"),
    ],
)
def test_what_cannot_be_is_refused(table: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        RouteConfig.model_validate(table)
