"""A provider's configuration says how it is connected to; the environment says through which proxy."""

import ssl
from pathlib import Path

import pytest

from tests.providers.targets import config_of
from tidegate.providers.http.options import connection_options


def test_the_timeouts_are_the_providers() -> None:
    options = connection_options(config_of("http://a.example", idle_seconds=7), section="providers.a")
    assert (options.idle_seconds, options.section, options.tls) == (7, "providers.a", None)


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({}, None),
        ({"https_proxy": "http://p:1"}, "http://p:1"),
        ({"https_proxy": "p:1"}, "http://p:1"),
        ({"all_proxy": "http://p:2"}, "http://p:2"),
        ({"http_proxy": "http://p:3"}, None),
        ({"https_proxy": "http://p:1", "no_proxy": "a.example"}, None),
    ],
)
def test_the_environments_proxy_counts_where_it_applies(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], proxy: str | None
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert connection_options(config_of("https://a.example")).proxy == proxy


def test_an_authority_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    empty = tmp_path / "ca.pem"
    empty.write_text("nothing")
    with pytest.raises(ssl.SSLError):
        connection_options(config_of("https://a.example", ca_file=empty))
