"""A request to another service ends in time and in bounded memory, and its address stays out of errors."""

import pytest

from tests.alerts.receivers import running_receiver
from tidegate.core.process.outbound_http import ExchangeFailed, exchange


def test_an_answer_that_is_too_large_is_refused() -> None:
    with running_receiver() as receiver:
        receiver.behaviour = "endless"
        with pytest.raises(ExchangeFailed, match="more than 1,000 bytes"):
            exchange("POST", receiver.url, {}, b"{}", deadline_seconds=5, max_bytes=1_000)


def test_a_redirect_is_an_answer_and_no_success() -> None:
    with running_receiver() as receiver:
        receiver.status = lambda _: 302
        answer = exchange("POST", receiver.url, {}, b"{}", deadline_seconds=5, max_bytes=1_000)
        assert (answer.status, answer.is_success, len(receiver.requests)) == (302, False, 1)


@pytest.mark.parametrize("url", ["http://u:password@127.0.0.1:9/path-secret", "https://127.0.0.1:9/path-secret"])
def test_an_error_names_the_host_only(url: str) -> None:
    with pytest.raises(ExchangeFailed) as failed:
        exchange("POST", url, {}, deadline_seconds=1, max_bytes=10)
    assert str(failed.value) == "127.0.0.1:9 did not answer: Connection refused."
