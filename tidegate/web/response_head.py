"""Writes the heads of responses as few joins of bytes; what does not change is made once. Used by exchange.py."""

import re
from functools import lru_cache
from http import HTTPStatus

from tidegate.web.envelope import Headers

CLOSE_LINE = b"connection: close\r\n"
CHUNKED_LINE = b"transfer-encoding: chunked\r\n"
_CLOSE = (b"connection", b"close")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")


class UnsafeHeader(ValueError):
    """A header of a response would end its own line. The response was not sent; this is a defect of the gateway."""


@lru_cache
def status_line(status: int) -> bytes:
    """Return the first line of a response."""
    phrase = HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


def header_lines(headers: Headers) -> bytes:
    """Return headers as lines. Raises UnsafeHeader for one whose name or value is not on one line."""
    lines = b"".join([b"%b: %b\r\n" % pair for pair in headers])
    if lines.count(b"\n") != len(headers) or _CONTROL.search(lines):
        raise UnsafeHeader
    return lines


@lru_cache(8)
def default_lines(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[bytes, bool]:
    """Return the server's headers of the current second as lines, and whether they end the connection."""
    return header_lines(list(headers)), _CLOSE in headers
