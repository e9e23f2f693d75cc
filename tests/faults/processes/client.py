"""An HTTP/1.1 client that sends a request in two halves, and tells what came back, byte by byte."""

import asyncio
import contextlib
from typing import Self

import msgspec
from multidict import CIMultiDict

from tests.harness import Answer

PATIENCE_SECONDS = 60.0


class RawCall:
    """One request on one connection."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self._host = host
        self._port = port
        self._key = key
        self._received = b""
        self._changed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    async def connect(self) -> Self:
        """Open the connection."""
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        self._reading = asyncio.create_task(self._read())
        return self

    def request(self, path: str, body: object) -> bytes:
        """Return the bytes of a POST."""
        data = msgspec.json.encode(body)
        lines = [
            f"POST /v1{path} HTTP/1.1",
            f"host: {self._host}:{self._port}",
            f"authorization: Bearer {self._key}",
            "content-type: application/json",
            f"content-length: {len(data)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + data

    async def use_once(self) -> None:
        """Make one call that is answered, so that the connection is idle afterwards."""
        head = f"GET /livez HTTP/1.1\r\nhost: {self._host}:{self._port}\r\n\r\n"
        await self.send(head.encode())
        await self.until(b"\r\n\r\n")
        while _answer(self._received, ended=False) is None:
            await self._next()
        self._received = b""

    async def send(self, data: bytes) -> None:
        """Send some bytes; a connection that is broken shows in the answer."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def until(self, part: bytes) -> None:
        """Wait until the answer holds these bytes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while part not in self._received:
                assert not self._is_over, self._received
                await self._next()

    async def answer(self) -> Answer | str:
        """Return the whole answer, or what happened instead."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (whole := _answer(self._received, ended=self._is_over)) is None:
                    if self._is_over:
                        return "broken" if self._received else "no answer"
                    await self._next()
                return whole
        except TimeoutError:
            return "it hung"

    async def close(self) -> None:
        """Close the connection."""
        if self._reading is not None:
            self._reading.cancel()
            self._writer.close()

    @property
    def _is_over(self) -> bool:
        return self._reading is None or self._reading.done()

    async def _next(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await self._reader.read(65536):
                self._received += data
                self._changed.set()
        asyncio.get_running_loop().call_soon(self._changed.set)


def _answer(data: bytes, *, ended: bool) -> Answer | None:
    """Return the answer in these bytes, or None where it is not whole."""
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = CIMultiDict((name, value.strip()) for name, _, value in pairs)
    if "content-length" in headers:
        length = int(headers["content-length"])
        body = rest[:length] if len(rest) >= length else None
    elif headers.get("transfer-encoding") == "chunked":
        body = _unchunked(rest)
    else:
        body = rest if ended else None
    return None if body is None else Answer(int(first.split(" ")[1]), headers, body.decode())


def _unchunked(data: bytes) -> bytes | None:
    """Return the body in these chunks, or None where the last chunk is missing."""
    body = b""
    while True:
        size, found, data = data.partition(b"\r\n")
        if not found:
            return None
        length = int(size, 16)
        if length == 0:
            return body
        if len(data) < length + 2:
            return None
        body, data = body + data[:length], data[length + 2 :]
