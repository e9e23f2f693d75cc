"""Only the dashboard's own page may send requests by cookie: the table has what a browser of another site sends."""

import pytest

from tidegate.core.errors import ForgedRequest
from tidegate.web.dashboard.csrf import CSRF_HEADER, check_page, check_request, csrf_token

HOST = {"host": "gateway.example"}


@pytest.mark.parametrize(
    ("headers", "is_own"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://gateway.example"}, False),
        ({"origin": "https://gateway.example"}, True),
        ({"origin": "https://GATEWAY.example"}, True),
        ({"origin": "https://gateway.example:8443"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "https://[bad"}, False),
    ],
)
def test_a_page_of_another_site_is_refused(headers: dict[str, str], is_own: bool) -> None:
    if is_own:
        check_page({**HOST, **headers})
        return
    with pytest.raises(ForgedRequest):
        check_page({**HOST, **headers})


@pytest.mark.parametrize("named", ["", "wrong", csrf_token("another session"), "\N{SNOWMAN}"])
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_a_changing_request_must_name_its_sessions_text(method: str, named: str) -> None:
    with pytest.raises(ForgedRequest):
        check_request(method, {**HOST, CSRF_HEADER: named}, "session")
    check_request(method, {**HOST, CSRF_HEADER: csrf_token("session")}, "session")


def test_a_reading_request_needs_no_text_and_the_text_is_not_the_session() -> None:
    check_request("GET", HOST, "session")
    assert "session" not in csrf_token("session")
    assert csrf_token("session") != csrf_token("sessiom")
