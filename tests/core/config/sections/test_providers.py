"""A provider is configured with what its kind needs; unset options default to those of `[upstream]`."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from tidegate.core.config import CredentialConfig, ParameterRuleConfig, ProviderConfig, UpstreamConfig
from tidegate.core.config.sections.providers import all_providers

KEY = {"name": "main", "api_key": "sk-made-up-key"}
OPENAI = {"kind": "openai", "credentials": [KEY]}
AZURE = {"kind": "azure", "base_url": "https://mine.example", "api_version": "2024-10-21", "credentials": [KEY]}
OWN = {"kind": "openai_compatible", "base_url": "http://localhost:8000/v1"}


@pytest.mark.parametrize("table", [OPENAI, AZURE, OWN])
def test_what_each_kind_needs(table: dict[str, Any]) -> None:
    assert ProviderConfig.model_validate(table).kind == table["kind"]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({}, "kind"),
        ({"kind": "opnai"}, "'openai', 'azure' or 'openai_compatible'"),
        ({"kind": "openai_compatible"}, "base_url must be set to the provider"),
        ({**AZURE, "base_url": None}, "base_url must be set to the provider"),
        ({**AZURE, "base_url": "https://mine.example/openai"}, "without a path"),
        ({**OWN, "base_url": "localhost:8000/v1"}, "begins with https:// or http://"),
        ({**OWN, "base_url": "http:///v1"}, "begins with https:// or http://"),
        ({**AZURE, "api_version": None}, "api_version must be set"),
        ({**AZURE, "credentials": []}, "at least one key"),
        ({**OPENAI, "deployments": {"a": "b"}}, 'only kind = "azure"'),
        ({**OWN, "api_version": "2024-10-21"}, 'only kind = "azure"'),
        ({**OPENAI, "credentials": [KEY, KEY]}, "two credentials named main"),
        ({**OPENAI, "credentials": [{"name": "main"}]}, "needs one of api_key, api_key_env and api_key_file"),
        ({**OPENAI, "credentials": [{**KEY, "api_key_env": "X"}]}, "needs one of api_key"),
        ({**OPENAI, "credentials": [{**KEY, "name": "a/b"}]}, "name"),
        ({**OPENAI, "first_byte_seconds": 10}, "10 s cuts off slow answers"),
        ({**OPENAI, "endpoints": ["chat", "audio"]}, "endpoints"),
        ({**OPENAI, "rules": [{"drop": ["model"]}]}, "no rule may touch model"),
        ({**OPENAI, "rules": [{"rename": {"a": "stream"}}]}, "no rule may touch stream"),
        ({**OPENAI, "rules": [{"models": []}]}, "models"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(table: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason) as refused:
        ProviderConfig.model_validate(table)
    assert "made-up" not in str(refused.value)


def test_azures_newer_addresses_need_no_version() -> None:
    assert ProviderConfig.model_validate({**AZURE, "api_surface": "v1", "api_version": None}).api_surface == "v1"


def test_unset_options_are_those_of_the_upstream() -> None:
    upstream = UpstreamConfig(first_byte_seconds=90, idle_seconds=30)
    made = ProviderConfig.model_validate({**AZURE, "idle_seconds": 20}).with_defaults(upstream)
    assert (made.first_byte_seconds, made.idle_seconds, made.total_seconds) == (90.0, 20.0, 600.0)
    assert made.max_answer_bytes == upstream.max_answer_bytes


@pytest.mark.parametrize(
    ("table", "endpoints"),
    [
        (OPENAI, ["chat", "responses", "embeddings", "moderations"]),
        (AZURE, ["chat", "responses", "embeddings"]),
        (OWN, ["chat", "embeddings"]),
        ({**OWN, "endpoints": ["chat", "responses"]}, ["chat", "responses"]),
    ],
)
def test_the_endpoints_are_those_of_its_kind_unless_set(table: dict[str, Any], endpoints: list[str]) -> None:
    assert ProviderConfig.model_validate(table).with_defaults(UpstreamConfig()).endpoints == endpoints


def test_the_upstream_is_the_provider_openai() -> None:
    upstream = UpstreamConfig(api_key=SecretStr("sk-made-up"), organization="org-1", project="p", rpm=500, tpm=9000)
    made = all_providers({}, upstream)
    assert list(made) == ["openai"]
    assert (made["openai"].kind, made["openai"].base_url) == ("openai", upstream.base_url)
    only = made["openai"].credentials[0]
    assert (only.name, only.organization, only.project, only.rpm, only.tpm) == ("default", "org-1", "p", 500, 9000)


def test_a_provider_of_that_name_takes_its_place() -> None:
    upstream = UpstreamConfig(api_key=SecretStr("sk-made-up"), base_url="http://proxy/v1")
    named = ProviderConfig.model_validate({**OPENAI, "credentials": [KEY, {"name": "spare", "api_key": "sk-2"}]})
    made = all_providers({"openai": named, "own": ProviderConfig.model_validate(OWN)}, upstream)
    assert [each.name for each in made["openai"].credentials] == ["main", "spare"]
    assert (made["openai"].base_url, made["own"].base_url) == ("http://proxy/v1", OWN["base_url"])
    unnamed = all_providers({"openai": ProviderConfig(kind="openai")}, upstream)
    assert [each.name for each in unnamed["openai"].credentials] == ["default"]


def test_without_a_key_there_is_none() -> None:
    assert all_providers({}, UpstreamConfig())["openai"].credentials == []


def test_another_openai_account_is_at_openais_address() -> None:
    upstream = UpstreamConfig(base_url="http://proxy/v1")
    made = all_providers({"second": ProviderConfig.model_validate(OPENAI)}, upstream)
    assert made["second"].base_url == "https://api.openai.com/v1"


def test_no_key_shows() -> None:
    shown = repr(ProviderConfig.model_validate(OPENAI)) + repr(CredentialConfig.model_validate(KEY))
    assert "made-up" not in shown
    assert ParameterRuleConfig().models == ["*"]
