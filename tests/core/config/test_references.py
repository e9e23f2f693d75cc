"""References within the configuration are checked at start, with a message that says what is wrong."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from tidegate.core.config import ConfigError, Settings, load

KEY = "sk-proj-Ab3dEf9hIjKlMnOpQrStUvWxYz"
AZURE = """
[providers.azure]
kind = "azure"
base_url = "https://mine.example"
api_version = "2024-10-21"
credentials = [{ name = "east", api_key_env = "AZURE_KEY" }]
deployments = { "gpt-4o" = "four-o" }
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AZURE_KEY", KEY)


def reading(text: str) -> Settings:
    Path("tidegate.toml").write_text(text)
    return load()


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        reading(text)
    return str(refused.value)


def key_of(settings: Settings, provider: str = "azure") -> SecretStr | None:
    return settings.providers[provider].credentials[0].api_key


def test_a_route_to_a_provider_that_is_there() -> None:
    settings = reading(AZURE + '[routes."gpt-4o"]\ntargets = [{ provider = "openai" }, { provider = "azure" }]\n')
    assert [target.provider for target in settings.routes["gpt-4o"].targets] == ["openai", "azure"]
    assert list(settings.all_providers) == ["openai", "azure"]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ('{ provider = "azur" }', ["routes.smart.targets.0", "'azur'", "Did you mean azure?"]),
        ('{ provider = "zzz" }', ["'zzz'", "Known are: azure, openai."]),
        ('{ provider = "azure", model = "gpt-4" }', ["'gpt-4'", "has no deployment", "Did you mean gpt-4o?"]),
        (
            '{ provider = "azure", credentials = ["east", "wst"] }',
            ["routes.smart.targets.0", "'wst'", "azure does not have", "Did you mean east?"],
        ),
        ('{ provider = "openai", credentials = ["defalt"] }', ["'defalt'", "Did you mean default?"]),
        ('{ provider = "azure", modell = "gpt-4o" }', ["routes.smart.targets.0.modell", "Did you mean model?"]),
    ],
)
def test_a_target_that_is_not_there_is_refused_with_the_nearest_name(target: str, words: list[str]) -> None:
    message = refusal(f"{AZURE}[routes.smart]\ntargets = [{target}]\n")
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize("model", ["gpt-4o", "four-o"])
def test_a_model_may_be_named_by_its_deployment(model: str) -> None:
    reading(f'{AZURE}[routes.smart]\ntargets = [{{ provider = "azure", model = "{model}" }}]\n')


def test_two_places_for_one_provider_are_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    named = f'[providers.openai]\nkind = "openai"\ncredentials = [{{ name = "main", api_key = "{KEY}" }}]\n'
    assert "both mean the provider" in refusal(f'[upstream]\napi_key = "{KEY}"\n{named}')
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-tool")
    assert key_of(reading(named), "openai") == SecretStr(KEY), "a variable for every OpenAI client is no contradiction"


@pytest.mark.parametrize("name", ["a/b", "", "-x", "a b"])
def test_a_provider_needs_a_name_that_can_be_part_of_others(name: str) -> None:
    assert f"The setting providers.{name}" in refusal(f'[providers."{name}"]\nkind = "openai"\n')


def test_another_openai_account_needs_a_key() -> None:
    assert "providers.second has no credentials" in refusal('[providers.second]\nkind = "openai"\n')
    assert reading('[providers.openai]\nkind = "openai"\n').providers["openai"].credentials == []


def test_no_key_shows_in_a_refusal() -> None:
    message = refusal(AZURE.replace('api_key_env = "AZURE_KEY"', f'api_key = "{KEY}", api_kye = "{KEY}"'))
    assert "Did you mean api_key?" in message
    assert "Ab3dEf" not in message


def test_the_environment_configures_providers_and_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_PROVIDERS__OWN__KIND", "openai_compatible")
    monkeypatch.setenv("TIDEGATE_PROVIDERS__OWN__BASE_URL", "http://localhost:8000/v1")
    monkeypatch.setenv("TIDEGATE_PROVIDERS__OWN__CREDENTIALS", '[{"name": "a", "api_key": "sk-any"}]')
    monkeypatch.setenv("TIDEGATE_ROUTES", '{"gpt-4o*": {"targets": [{"provider": "own", "model": "llama"}]}}')
    settings = load()
    assert settings.providers["own"].base_url == "http://localhost:8000/v1"
    assert settings.routes["gpt-4o*"].targets[0].model == "llama"
    monkeypatch.setenv("TIDEGATE_ROUTES", '{"gpt-4o*": {"targets": [{"provider": "ow", "model": "llama"}]}}')
    with pytest.raises(ConfigError, match=r"Did you mean own\?"):
        load()
