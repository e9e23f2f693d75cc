"""Checks a request's head, and gives it one form of its key. Called by http_protocol.py before a request is started."""

import base64
import binascii
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote

import httptools
import msgspec

from tidegate.core.errors import AddressTooLong, HeadersTooLarge, MalformedHttp, TidegateError, UpgradeRequired

Headers = list[tuple[bytes, bytes]]

MAX_HEAD_BYTES = 64 * 1024
MAX_ADDRESS_BYTES = 16 * 1024
MAX_HEADERS = 200
_LINE_BYTES = 4
"""Of a header's line, besides its name and value."""

# RFC 3986: a name, an IPv4 address or an IPv6 address in brackets, and a port; a comma shows that two were joined
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+;=-]*)(?::\d*)?")
_WEBSOCKET_KEY_BYTES = 16
_BEARER = b"Bearer "
_KEPT_TARGET_BYTES = 128
_OTHER_UPGRADE = re.compile(rb"(?<=\r\n)upgrade:(?![ \t]*websocket[ \t]*\r\n)[^\r\n]*\r\n", re.IGNORECASE)


class RequestTarget(msgspec.Struct, frozen=True):
    """The address of a request."""

    path: str
    """Without escapes."""
    raw_path: bytes
    query: bytes


def parse_target(target: bytes) -> RequestTarget:
    """Return the parts of an address. Raises HttpParserInvalidURLError and UnicodeDecodeError.

    Those of short ones are kept: the same ones come again and again.
    """
    return _parse_kept(target) if len(target) <= _KEPT_TARGET_BYTES else _parse(target)


def _parse(target: bytes) -> RequestTarget:
    url = httptools.parse_url(target)
    path = url.path.decode("ascii")
    return RequestTarget(unquote(path) if "%" in path else path, url.path, url.query or b"")


_parse_kept = lru_cache(256)(_parse)


def check_head(address: bytes, headers: Headers, *, needs_host: bool, is_large: bool) -> None:
    """Raise what is wrong with a head: AddressTooLong, HeadersTooLarge or MalformedHttp. Make its key one header.

    `is_large` tells that more bytes have arrived than a head may have. Most requests need no such look.
    """
    if is_large or len(address) > MAX_ADDRESS_BYTES or len(headers) > MAX_HEADERS:
        _check_size(address, headers)
    hosts = keys = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1 if _is_host(value) else 2
        elif name == b"authorization":
            keys += 1
        elif name == b"api-key":
            keys += 2  # also a single one is to be rewritten
    if hosts != 1 and (hosts or needs_host):
        raise _wrong_host(headers)
    if keys > 1:
        headers[:] = _with_one_key(headers)


def _wrong_host(headers: Headers) -> MalformedHttp:
    """Return the error of a head without one valid Host; HTTP/1.0 knows none (RFC 9112, 3.2)."""
    hosts = [value for name, value in headers if name == b"host"]
    if not hosts:
        return MalformedHttp("The request was not read: it has no `Host` header, which HTTP/1.1 requires. Send one.")
    if len(hosts) > 1:
        return MalformedHttp("The request was not read: it has more than one `Host` header. Send one.")
    return MalformedHttp("The request was not read: its `Host` header is not valid. Send the gateway's address.")


def _check_size(address: bytes, headers: Headers) -> None:
    """Raise AddressTooLong or HeadersTooLarge."""
    if len(address) > MAX_ADDRESS_BYTES:
        raise AddressTooLong
    head_bytes = len(address) + sum(len(name) + len(value) + _LINE_BYTES for name, value in headers)
    if len(headers) > MAX_HEADERS or head_bytes > MAX_HEAD_BYTES:
        raise HeadersTooLarge


@lru_cache(64)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def _with_one_key(headers: Headers) -> Headers:
    """Return the headers with `api-key` (Azure's clients send it) as `authorization`, and one of these.

    Several different ones are joined, which makes them invalid for every reader.
    """
    keys = [_bearer(value) if name == b"authorization" else _BEARER + value for name, value in headers if _is_key(name)]
    different = dict.fromkeys(key for key in keys if key.strip() not in (b"", _BEARER.strip()))
    others = [pair for pair in headers if not _is_key(pair[0])]
    return [*others, (b"authorization", b", ".join(different))]


def _bearer(value: bytes) -> bytes:
    scheme, _, key = value.partition(b" ")
    return _BEARER + key.strip() if scheme.lower() == b"bearer" else value


def _is_key(name: bytes) -> bool:
    return name in (b"authorization", b"api-key")


def handshake_error(headers: Iterable[tuple[bytes, bytes]]) -> TidegateError | None:
    """Return what is wrong with a WebSocket's handshake (RFC 6455, 4.2.1)."""
    values = dict(headers)
    if values.get(b"sec-websocket-version", b"13") != b"13":
        return UpgradeRequired("This gateway speaks version 13 of the WebSocket protocol only.")
    try:
        key = base64.b64decode(values.get(b"sec-websocket-key", b""), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _WEBSOCKET_KEY_BYTES or b"sec-websocket-version" not in values:
        return MalformedHttp("The WebSocket's handshake has no valid `Sec-WebSocket-Key` and `Sec-WebSocket-Version`.")
    return None


def is_websocket(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether a client asks to open a WebSocket."""
    values = dict(headers)
    tokens = [token.strip() for token in values.get(b"connection", b"").lower().split(b",")]
    return b"upgrade" in tokens and values.get(b"upgrade", b"").lower() == b"websocket"


def without_other_upgrade(data: bytes) -> bytes:
    """Return the head without an offer of another protocol than WebSocket: the parser would skip the body.

    Java's client offers HTTP/2 (`h2c`). Such an offer is to be ignored (RFC 9110, 7.8).
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _OTHER_UPGRADE.sub(b"", head + end[:2]) + end[2:] + rest
