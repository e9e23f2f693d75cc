"""An upstream that is the gateway itself is refused; one beside it is not."""

from pathlib import Path

import pytest

from tidegate.core.config import ConfigError, load


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080/v1"),
        ("127.0.0.1", "http://localhost:8080/v1"),
        ("localhost", "http://[::1]:8080/v1"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://LOCALHOST:8080"),
        ("gateway.internal", "http://gateway.internal:8080/v1"),
    ],
)
def test_its_own_address(host: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(ConfigError, match=r"OPENAI_BASE_URL is the address that this gateway listens on"):
        load(server={"host": host})
    assert load(with_secrets=False, server={"host": host}).upstream.base_url == url


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8081/v1"),
        ("10.0.0.5", "http://127.0.0.1:8080/v1"),
        ("0.0.0.0", "http://vllm.internal:8080/v1"),
        ("127.0.0.1", "http://127.0.0.1:notaport"),
    ],
)
def test_another_address(host: str, url: str) -> None:
    assert load(server={"host": host}, upstream={"base_url": url}).upstream.base_url == url


def test_the_setting_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^upstream\.base_url is the address"):
        load(upstream={"base_url": "http://localhost:8080/v1"})
    provider = {"kind": "openai_compatible", "base_url": "http://localhost:8080/v1"}
    with pytest.raises(ConfigError, match=r"^providers\.local\.base_url is the address"):
        load(providers={"local": provider})
