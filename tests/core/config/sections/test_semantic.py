"""The semantic tier is off until it is named, needs a judge, and follows the more careful of project and route."""

from typing import Any

import pytest
from pydantic import ValidationError

from tidegate.core.config.sections.semantic import SemanticConfig

JUDGE = {"judge": "gpt-4.1-mini"}


@pytest.mark.parametrize(
    "keys",
    [
        {"delta": 0},
        {"delta": 0.5},
        {"mode": "always"},
        {"treshold": 0.9},
        {"projects": {"shop": {"treshold": 0.9}}, **JUDGE},
        {"routes": {"gpt-5": {"delta": 0.1}}, **JUDGE},
        {"verify_seconds": 0},
        {"budget_day_usd": -1},
        {"mode": "on"},
        {"projects": {"shop": {}}},
    ],
)
def test_a_value_that_cannot_be_kept_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SemanticConfig(**keys)


def test_it_is_off_until_it_is_turned_on() -> None:
    assert not SemanticConfig().is_used
    assert SemanticConfig().mode_of("shop", "gpt-5") == "off"


@pytest.mark.parametrize(
    ("project", "model", "mode"),
    [
        ("shop", "gpt-5", "on"),
        ("shop", "gpt-5-mini", "shadow"),
        ("shop", "o3", "off"),
        ("lab", "gpt-5", "shadow"),
        ("other", "gpt-5", "on"),
        ("other", "gpt-4o", "off"),
    ],
)
def test_the_more_careful_of_project_and_route_holds(project: str, model: str, mode: str) -> None:
    routes = {"gpt-5": {"mode": "on"}, "gpt-5-mini": {}, "o3": {"mode": "off"}}
    config = SemanticConfig(projects={"shop": {"mode": "on", "delta": 0.02}, "lab": {}}, routes=routes, **JUDGE)
    assert config.is_used
    assert config.mode_of(project, model) == mode
    assert (config.delta_of("shop"), config.delta_of("lab")) == (0.02, 0.01)
