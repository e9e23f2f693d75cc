"""Each value of the configuration is shown with its origin, and no secret is."""

from pathlib import Path

import pytest

from tidegate.core import config
from tidegate.core.config.origins import DEFAULT, HIDDEN, ConfigValue, config_values

KEY = "sk-proj-" + "q7" * 24
TOML = f"""\
database_url = "postgresql://u:hidden-password@base/x"
log_level = "error"  # quiet

[server]
port = 9000

[upstream]
api_key = "{KEY}"

[[providers.azure.credentials]]
name = "east"
api_key = "file:east"

[[providers.azure.credentials]]
name = "west"
api_key = "env:WEST"

[providers.azure]
kind = "azure"
base_url = "https://x.openai.azure.com"
api_version = "2024-10-21"

[routes."gpt-4.1"]
targets = [{{provider = "azure"}}]
"""


@pytest.fixture
def values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, ConfigValue]:
    """The values by their setting."""
    monkeypatch.chdir(tmp_path)
    file = Path("tidegate.toml")
    file.write_text(TOML)
    environ = {
        "TIDEGATE_SERVER__HOST": "::",
        "PORT": "80",
        "OPENAI_ORG_ID": "org-1",
        "tidegate_queue__max_waiting": "7",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    settings = config.load(file, with_secrets=False)
    return {each.setting: each for each in config_values(settings, environ, file)}


@pytest.mark.parametrize(
    ("setting", "value", "origin"),
    [
        ("log_level", "error", "tidegate.toml:2"),
        ("server.port", "9000", "tidegate.toml:5"),
        ("server.host", "::", "TIDEGATE_SERVER__HOST"),
        ("server.workers", "1", DEFAULT),
        ("queue.max_waiting", "7", "tidegate_queue__max_waiting"),
        ("upstream.organization", "org-1", "OPENAI_ORG_ID"),
        ("providers.azure.kind", "azure", "tidegate.toml:19"),
        ("providers.azure.credentials.1.name", "west", "tidegate.toml:15"),
        ("providers.azure.credentials.1.api_key", "env:WEST", "tidegate.toml:16"),
        ("providers.azure.credentials.0.api_key", "file:east", "tidegate.toml:12"),
        ("routes.gpt-4.1.targets.0.provider", "azure", "tidegate.toml:24"),
        ("database_url", HIDDEN, "tidegate.toml:1"),
        ("upstream.api_key", HIDDEN, "tidegate.toml:8"),
        ("redis_url", "", DEFAULT),
    ],
)
def test_a_value_has_its_origin(values: dict[str, ConfigValue], setting: str, value: str, origin: str) -> None:
    assert values[setting] == ConfigValue(setting=setting, value=value, origin=origin)


def test_no_secret_is_shown(values: dict[str, ConfigValue]) -> None:
    assert KEY not in str(values)
    assert "hidden-password" not in str(values)
