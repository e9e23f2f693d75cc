"""Odd heads of requests: their size, the number of their fields, names, repetitions, folded lines and huge cookies.

They are sent as bytes, because clients refuse to send most of them.
"""

import asyncio
import contextlib
import http.client
import io
import socket
from typing import cast

from multidict import CIMultiDict

from tests.harness import Answer, Gateway

HEADS = {
    "100 fields": [b"x-tide-%d: 1" % number for number in range(100)],
    "1,000 fields": [b"x-tide-%d: 1" % number for number in range(1_000)],
    "20,000 fields": [b"x-tide-%d: 1" % number for number in range(20_000)],
    "a field 50 times": [b"x-tide: 1"] * 50,
    "a cookie of 8 kB": [b"cookie: tide=" + b"x" * 8_000],
    "a cookie of 60 kB": [b"cookie: tide=" + b"x" * 60_000],
    "a cookie of a megabyte": [b"cookie: tide=" + b"x" * 1_000_000],
    "a name of 8 kB": [b"x" * 8_000 + b": 1"],
    "a name of 100 kB": [b"x" * 100_000 + b": 1"],
    "a folded line": [b"x-tide: high", b" and low"],
    "a field without a name": [b": tide"],
    "a line without a colon": [b"tide"],
    "a space in a name": [b"x tide: 1"],
    "a space before the colon": [b"x-tide : 1"],
    "an underscore in a name": [b"x_tide: 1"],
    "a NUL in a name": [b"x-\0tide: 1"],
    "a NUL in a value": [b"x-tide: a\0b"],
    "a CR in a value": [b"x-tide: a\rb"],
    "no ASCII in a name": ["x-тide: 1".encode()],
    "no ASCII in a value": ["x-tide: тide".encode()],
    "an empty value": [b"x-tide:"],
    "two keys": [b"authorization: Bearer tg-none"],
    "two hosts": [b"host: other"],
    "two types of content": [b"content-type: text/plain"],
    "two lengths": [b"content-length: 1"],
    "a length and chunks": [b"transfer-encoding: chunked"],
    "an unknown coding of the transfer": [b"transfer-encoding: tide"],
    "an unknown expectation": [b"expect: tide"],
    "an upgrade to nothing known": [b"connection: upgrade", b"upgrade: tide"],
}
"""The lines that are added to a head, by name."""


async def send(caller: Gateway, path: str, lines: list[bytes], body: bytes) -> Answer:
    """Return the answer to a call with these lines in its head. Raises ConnectionError where there is none."""
    host, port = caller.root.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = [
        f"POST /v1{path} HTTP/1.1".encode(),
        b"host: gateway",
        f"authorization: Bearer {caller.key}".encode(),
        b"content-type: application/json",
        b"content-length: %d" % len(body),
        b"connection: close",
        *lines,
    ]
    received = b""
    try:
        with contextlib.suppress(ConnectionError):  # refused amid the head, a call may have its answer already
            writer.write(b"\r\n".join([*head, b"", body]))
            await writer.drain()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                received += data
    finally:
        writer.close()
    return _answer(received)


def _answer(received: bytes) -> Answer:
    response = http.client.HTTPResponse(cast("socket.socket", _Received(received)))
    try:
        response.begin()
        text = response.read().decode()
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    return Answer(response.status, CIMultiDict(response.getheaders()), text)


class _Received:
    """What a connection received, as the standard library's parser takes it."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _: str) -> io.BytesIO:
        """Return it as a file."""
        return io.BytesIO(self._data)
