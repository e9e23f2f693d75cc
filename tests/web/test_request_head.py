"""A head is checked before anything is started, and the key has one form whichever header carried it."""

import pytest

from tidegate.core.errors import AddressTooLong, HeadersTooLarge, TidegateError
from tidegate.web import request_head
from tidegate.web.request_head import Headers

HOST = (b"host", b"gateway")


def checked(*headers: tuple[bytes, bytes]) -> Headers:
    """Return the headers as they are after the check."""
    after = [HOST, *headers]
    request_head.check_head(b"/", after, needs_host=True, is_large=False)
    return after[1:]


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        ([(b"authorization", b"Bearer a")], b"Bearer a"),
        ([(b"api-key", b"a")], b"Bearer a"),
        ([(b"api-key", b"a"), (b"authorization", b"Bearer a")], b"Bearer a"),
        ([(b"api-key", b"a"), (b"authorization", b"bearer a ")], b"Bearer a"),
        ([(b"authorization", b"Bearer a"), (b"authorization", b"Bearer a")], b"Bearer a"),
        ([(b"api-key", b""), (b"authorization", b"Bearer a")], b"Bearer a"),
        ([(b"api-key", b"a"), (b"authorization", b"")], b"Bearer a"),
        ([(b"api-key", b"a"), (b"authorization", b"Bearer ")], b"Bearer a"),
        ([(b"api-key", b"")], b""),
        ([(b"api-key", b"a"), (b"api-key", b"b")], b"Bearer a, Bearer b"),
        ([(b"api-key", b"a"), (b"authorization", b"Bearer b")], b"Bearer a, Bearer b"),
        ([(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")], b"Bearer a, Bearer b"),
        ([(b"api-key", b"a"), (b"authorization", b"Basic b")], b"Bearer a, Basic b"),
    ],
)
def test_the_key_is_one_header(sent: Headers, key: bytes) -> None:
    other = (b"accept", b"*/*")
    assert sorted(checked(*sent, other)) == [other, (b"authorization", key)]


@pytest.mark.parametrize(
    ("address", "headers", "error"),
    [
        (b"/" + b"a" * request_head.MAX_ADDRESS_BYTES, [HOST], AddressTooLong),
        (b"/", [HOST, *[(b"x", b"")] * request_head.MAX_HEADERS], HeadersTooLarge),
        (b"/", [HOST, (b"x", b"a" * request_head.MAX_HEAD_BYTES)], HeadersTooLarge),
    ],
)
def test_a_large_head_is_refused(address: bytes, headers: Headers, error: type[TidegateError]) -> None:
    with pytest.raises(error):
        request_head.check_head(address, headers, needs_host=True, is_large=True)
