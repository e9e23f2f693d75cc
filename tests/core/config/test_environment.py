"""Variables of other programs give settings where the configuration gives none."""

from pathlib import Path

import pytest

from tidegate.core.config import ConfigError, load
from tidegate.core.config.environment import honoured_source, honoured_values, is_service_link


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def _others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9100")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example/v1")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")


@pytest.mark.usefixtures("_others")
def test_they_are_honoured() -> None:
    settings = load()
    assert settings.server.port == 9100
    assert settings.upstream.base_url == "https://proxy.example/v1"
    assert (settings.upstream.organization, settings.upstream.project) == ("org-1", "proj-1")


@pytest.mark.usefixtures("_others")
def test_the_file_the_own_variables_and_the_command_line_win(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("tidegate.toml").write_text("[upstream]\nbase_url = 'https://file.example/v1'\n[server]\nport = 9101\n")
    monkeypatch.setenv("TIDEGATE_UPSTREAM__PROJECT", "proj-2")
    settings = load()
    assert (settings.server.port, settings.upstream.base_url) == (9101, "https://file.example/v1")
    assert (settings.upstream.organization, settings.upstream.project) == ("org-1", "proj-2")
    assert load(server={"port": 9102}).server.port == 9102


def test_blank_ones_and_linked_addresses_give_nothing() -> None:
    assert honoured_values({"PORT": "tcp://10.0.0.7:80", "OPENAI_BASE_URL": " ", "OPENAI_ORG_ID": ""}) == {}


def test_a_wrong_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "http")
    with pytest.raises(ConfigError, match=r"server\.port from the environment variable PORT cannot be used"):
        load()


def test_the_source_of_a_value() -> None:
    environ = {"PORT": "9100"}
    assert honoured_source(("server", "port"), "9100", environ) == "PORT"
    assert honoured_source(("server", "port"), "9101", environ) is None
    assert honoured_source(("server", "host"), "9100", environ) is None


def test_a_service_link_is_told_by_its_ending() -> None:
    assert is_service_link("TIDEGATE_PORT_53_UDP_PROTO", "udp")
    assert is_service_link("TIDEGATE_PORT", "tcp://10.0.0.7:8080")
    assert not is_service_link("TIDEGATE_PORT", "8080")
