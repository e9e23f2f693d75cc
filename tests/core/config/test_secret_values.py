"""Wherever the configuration takes a secret it also takes the place of one, which is read at start."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from tidegate.core.config import ConfigError, Settings, load
from tidegate.core.config.secret_reference import ReferredSecret, SecretReference
from tidegate.core.config.secret_values import check_values, configured_secrets, with_changed, with_values

KEY = "sk-proj-Ab3dEf9hIjKlMnOpQrStUvWxYz"
AZURE = """
[providers.azure]
kind = "azure"
base_url = "https://mine.example"
api_version = "2024-10-21"
credentials = [{ name = "east", api_key_env = "AZURE_KEY" }]
"""
ALL = """
database_url = "file:url"
redis_url = "env:MY_REDIS"
[auth]
admin_key = "file:admin"
[sentry]
dsn = "env:SENTRY_PROJECT_DSN"
[upstream]
api_key = "aws-sm:openai#key"
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AZURE_KEY", KEY)
    monkeypatch.setenv("MY_REDIS", "redis://cache")
    monkeypatch.setenv("SENTRY_PROJECT_DSN", "https://key@sentry.example/1")
    Path("url").write_text("postgresql://base\n")
    Path("admin").write_text("a" * 32)


def reading(text: str) -> Settings:
    Path("tidegate.toml").write_text(text)
    return load()


def key_of(settings: Settings) -> SecretStr | None:
    return settings.providers["azure"].credentials[0].api_key


@pytest.mark.parametrize(
    "source",
    [
        'api_key_env = "AZURE_KEY"',
        'api_key_file = "key"',
        'api_key = "file:key"',
        'api_key = "env:AZURE_KEY"',
        f'api_key = " {KEY} "',
    ],
)
def test_a_key_from_the_environment_or_a_file_or_as_it_is(source: str) -> None:
    Path("key").write_text(f"{KEY}\n")
    found = key_of(reading(AZURE.replace('api_key_env = "AZURE_KEY"', source)))
    assert found is not None
    assert found.get_secret_value() == KEY


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('api_key_env = "NO_SUCH_KEY"', ["providers.azure.credentials.east", "env:NO_SUCH_KEY", "missing or empty"]),
        ('api_key_file = "nowhere"', ["providers.azure.credentials.east", "file:nowhere", "No such file"]),
        ('api_key_file = "empty"', ["file:empty", "missing or empty"]),
        ('api_key_file = "binary"', ["file:binary", "not text"]),
        ('api_key = " "', ["providers.azure.credentials.east is empty"]),
        ('api_key = "aws_sm:x"', ["did you mean `aws-sm:`"]),
    ],
)
def test_a_key_that_is_not_there_is_missed(source: str, words: list[str]) -> None:
    Path("empty").write_text("\n")
    Path("binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError) as refused:
        reading(AZURE.replace('api_key_env = "AZURE_KEY"', source))
    assert [word for word in words if word not in str(refused.value)] == []


def test_without_secrets_no_key_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_KEY")
    Path("tidegate.toml").write_text(AZURE)
    assert load(with_secrets=False).providers["azure"].credentials[0].api_key is None


def test_every_setting_that_holds_a_secret_takes_the_place_of_one() -> None:
    settings = reading(ALL + AZURE)
    places = {each.setting: str(each.reference) for each in configured_secrets(settings)}
    assert places == {
        "database_url": "file:url",
        "redis_url": "env:MY_REDIS",
        "auth.admin_key": "file:admin",
        "sentry.dsn": "env:SENTRY_PROJECT_DSN",
        "upstream.api_key": "aws-sm:openai#key",
        "providers.azure.credentials.east": "env:AZURE_KEY",
    }


def test_a_service_s_secret_is_left_for_later_and_never_sent_as_it_is() -> None:
    settings = reading(ALL)
    assert settings.database_url == ReferredSecret("postgresql://base", SecretReference("file", "url"))
    with pytest.raises(ConfigError, match=r"upstream.api_key refers to aws-sm:openai#key, which was not read"):
        check_values(settings)
    check_values(with_values(settings, lambda _: KEY))


def test_one_place_changes_wherever_it_is_used() -> None:
    west = '}, { name = "west", api_key = "env:AZURE_KEY" }]'
    twice = AZURE.replace("}]", west)
    changed = with_changed(reading(twice), SecretReference("env", "AZURE_KEY"), "sk-new")
    assert [each.api_key.get_secret_value() for each in changed.providers["azure"].credentials if each.api_key] == [
        "sk-new",
        "sk-new",
    ]


def test_no_secret_shows() -> None:
    assert KEY not in repr(reading(AZURE))
