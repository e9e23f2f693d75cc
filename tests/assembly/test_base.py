"""Metrics may show the models of the configuration and of the price list, and none that a caller invents."""

from tidegate.assembly.base import configured_models, known_models
from tidegate.core.config import Settings


def settings() -> Settings:
    routes = {"fast": {"targets": [{"provider": "openai", "model": "gpt-4o-mini"}]}}
    return Settings.model_validate({"routes": routes, "models": {"allowed": ["gpt-4o"]}})


def test_the_configuration_names_models_in_routes_targets_and_lists() -> None:
    assert configured_models(settings()) == {"fast", "gpt-4o-mini", "gpt-4o"}


def test_the_price_list_has_more() -> None:
    known = known_models(settings())
    assert {"fast", "gpt-4o-mini", "gpt-4.1-nano"} <= known
    assert "invented" not in known
