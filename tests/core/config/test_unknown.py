"""For a mistyped key at any depth, the nearest known key is suggested."""

import pytest

from tidegate.core.config import ConfigError
from tidegate.core.config.unknown import Location, new_name, reject_unknown_variables, sibling_keys, suggestion


@pytest.mark.parametrize(
    ("location", "known"),
    [
        (("sever",), "server"),
        (("server", "prot"), "port"),
        (("metering", "prices", "my-model", "imput"), "input"),
        (("providers", "azure", "api_verison"), "api_version"),
        (("providers", "azure", "credentials", 0, "api_kye"), "api_key"),
        (("providers", "azure", "rules", 3, "renames"), "rename"),
        (("routes", "gpt-4o*", "target"), "targets"),
        (("routes", "gpt-4o*", "targets", 1, "providers"), "provider"),
        (("routes", "gpt-4o*", "fallback_steps", "can"), "canned"),
    ],
)
def test_a_key_is_looked_for_beside_the_right_ones(location: Location, known: str) -> None:
    assert known in sibling_keys(location)
    assert suggestion(str(location[-1]), sibling_keys(location)) == f" Did you mean {known}?"


@pytest.mark.parametrize("location", [("providers", "x", "deployments", "a", "b"), ("log_level", "x"), ("zzz", "x")])
def test_where_any_key_will_do_or_none_nothing_is_named(location: Location) -> None:
    assert sibling_keys(location) == []
    assert suggestion("x", []) == ""


def test_where_nothing_is_near_all_are_named() -> None:
    assert suggestion("zzz", ["port", "host"]) == " Known are: host, port."


@pytest.mark.parametrize(
    "variable",
    [
        "TIDEGATE_PROVIDERS",
        "TIDEGATE_PROVIDERS__AZURE",
        "TIDEGATE_PROVIDERS__AZURE__BASE_URL",
        "TIDEGATE_PROVIDERS__AZURE__DEPLOYMENTS__GPT-4O",
        "TIDEGATE_ROUTES__GPT-4O__FALLBACK_STEPS__STALE",
        "TIDEGATE_METERING__UNKNOWN_MODEL_PRICE__INPUT",
        "TIDEGATE_SERVER__PORT",
        "TIDEGATES__PORT",
        "TIDEGATE_SERVICE_HOST",
        "TIDEGATE_SERVICE_PORT_HTTP",
        "TIDEGATE_PORT_8080_TCP",
        "TIDEGATE_PORT_8080_TCP_ADDR",
        "TIDEGATE_REDIS_SERVICE_PORT",
        "TIDEGATE_VERSION",
        "TIDEGATE_IMAGE",
    ],
)
def test_a_variable_that_is_a_setting(variable: str) -> None:
    reject_unknown_variables({variable: "1"})


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("TIDEGATE_PORT", "TIDEGATE_SERVER__PORT"),
        ("TIDEGATE_CONFG", "TIDEGATE_CONFIG"),
        ("TIDEGATE_LOGLEVEL", "TIDEGATE_LOG_LEVEL"),
        ("TIDEGATE_PROVIDRS__AZURE__BASE_URL", "TIDEGATE_PROVIDERS"),
        ("TIDEGATE_PROVIDERS__AZURE__BASEURL", "TIDEGATE_PROVIDERS__AZURE__BASE_URL"),
        ("TIDEGATE_ROUTES__GPT-4O__TARGET", "TIDEGATE_ROUTES__GPT-4O__TARGETS"),
        ("TIDEGATE_ROUTES__GPT-4O__FALLBACK_STEPS__STAL", "TIDEGATE_ROUTES__GPT-4O__FALLBACK_STEPS__STALE"),
        ("TIDEGATE_METERING__UNKNOWN_MODEL_PRICE__INPT", "TIDEGATE_METERING__UNKNOWN_MODEL_PRICE__INPUT"),
    ],
)
def test_a_variable_that_is_none(variable: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"{variable} is not a setting.*Did you mean {meant}\?"):
        reject_unknown_variables({variable: "1"})


@pytest.mark.parametrize("variable", ["TIDEGATE_PORT", "TIDEGATE_SERVER_PORT", "TIDEGATE_REDIS_PORT"])
def test_the_address_of_a_linked_service_is_ignored(variable: str) -> None:
    reject_unknown_variables({variable: "tcp://10.0.0.7:8080"})


def test_a_setting_that_was_renamed_is_refused_with_its_new_name() -> None:
    assert new_name(("budgets", "alert_usd_per_day")) == " It is alerts.usd_per_day now."
    assert new_name(("budgets", "limit_usd_per_day")) == ""
    with pytest.raises(ConfigError, match="It is TIDEGATE_ALERTS__USD_PER_DAY now"):
        reject_unknown_variables({"TIDEGATE_BUDGETS__ALERT_USD_PER_DAY": "50"})
