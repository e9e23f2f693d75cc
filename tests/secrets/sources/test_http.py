"""An exchange with a service ends in time, however slowly the service answers."""

import time

import pytest

from tests.secrets.fake_services import Services
from tidegate.core.config.secret_errors import SecretSourceUnavailable
from tidegate.secrets.sources.http import fetch


def test_an_answer_that_drips_is_cut_at_the_deadline(services: Services) -> None:
    services.answer = 200, b"x" * 2000  # 100 s at one byte every 50 ms
    services.silent.set()
    began = time.monotonic()
    with pytest.raises(SecretSourceUnavailable, match="did not answer"):
        fetch("GET", f"{services.url}/secrets/openai", {"authorization": "Bearer x"}, deadline_seconds=0.5)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://", "http://[::bad/", "https://127.0.0.1:1/x"])
def test_an_address_that_leads_nowhere_is_told(url: str) -> None:
    with pytest.raises(SecretSourceUnavailable):
        fetch("GET", url, {})


def test_a_token_that_is_no_header_is_told(services: Services) -> None:
    with pytest.raises(SecretSourceUnavailable):
        fetch("GET", services.url, {"authorization": "Bearer a\r\nx-injected: 1"})


def test_an_answer_does_not_show_what_it_holds(services: Services) -> None:
    services.answer = 200, b"hidden"
    answer = fetch("GET", f"{services.url}/secrets/openai", {"authorization": "Bearer x"})
    assert answer.body == b"hidden"
    assert "hidden" not in repr(answer)
