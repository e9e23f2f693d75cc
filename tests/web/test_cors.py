"""Pages of the configured origins may call, and no others."""

import pytest

from tidegate.core.errors import OriginNotAllowed
from tidegate.web.cors import CrossOrigin, is_preflight


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        (["https://a.example"], b"https://a.example", True),
        (["https://a.example"], b"http://a.example", False),
        (["https://a.example"], b"https://a.example:8443", False),
        (["https://a.example"], b"https://a.example.evil", False),
        (["https://a.example"], b"null", False),
        (["https://*.a.example"], b"https://x.a.example", True),
        (["https://*.a.example"], b"https://x.y.a.example", True),
        (["https://*.a.example"], b"https://a.example", False),
        (["https://*.a.example"], b"https://evila.example", False),
        (["https://*.a.example"], b"http://x.a.example", False),
        (["https://*.a.example:8443"], b"https://x.a.example:8443", True),
        (["null"], b"null", True),
        (["*"], b"https://anything", True),
        (["*"], b"null", True),
    ],
)
def test_which_origins_may_call(origins: list[str], origin: bytes, allowed: bool) -> None:
    assert CrossOrigin(origins).is_allowed(origin) is allowed


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (b"authorization,content-type,x-stainless-lang", b"authorization,content-type,x-stainless-lang"),
        (b"authorization, api-key", b"authorization, api-key"),
        (b"", None),
        (b"x-a\r\nx-b: 1", None),
        (b"x a", None),
        (b"x-a" * 4096, None),
    ],
)
def test_the_headers_that_a_page_asks_for_are_granted_if_they_are_names(asked: bytes, granted: bytes | None) -> None:
    headers = [
        (b"origin", b"https://a.example"),
        (b"access-control-request-method", b"POST"),
        (b"access-control-request-headers", asked),
    ]
    assert is_preflight(headers)
    answer = dict(CrossOrigin(["https://a.example"]).preflight(headers))
    assert answer[b"access-control-allow-origin"] == b"https://a.example"
    assert answer.get(b"access-control-allow-headers") == granted
    assert b"access-control-allow-credentials" not in answer


def test_a_preflight_of_another_origin_is_refused_with_the_remedy() -> None:
    headers = [(b"origin", b"https://evil.example"), (b"access-control-request-method", b"POST")]
    with pytest.raises(OriginNotAllowed, match=r"server\.cors_origins"):
        CrossOrigin(["https://a.example"]).preflight(headers)


@pytest.mark.parametrize("headers", [[], [(b"origin", b"x")], [(b"access-control-request-method", b"GET")]])
def test_other_requests_are_no_preflight(headers: list[tuple[bytes, bytes]]) -> None:
    assert not is_preflight(headers)
