"""For any fault of the upstream each kind of operation has its typed error, one ledger line and the right cost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.gateway.passthrough.upstream import form
from tests.harness import Gateway, World
from tidegate.core import errors
from tidegate.core.errors import TidegateError

CHARACTERS = 1000
SPEECH_NANOS = CHARACTERS * 15_000
"""What the speech of this test costs, whether it came or not."""
CLOCKS = {"first_byte_seconds": 0.6, "idle_seconds": 0.6, "total_seconds": 20.0, "allow_short_timeouts": True}
FORM, FORM_TYPE = form(("purpose", b"batch", None), ("file", bytes(300_000), "a.jsonl"))
EVENT = b'data: {"type":"image_generation.partial_image","b64_json":"aa"}\n\n'


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What an upstream does, and what becomes of the call."""

    answer: bytes = b""
    """Without its content type, where it has a head of a success."""
    is_silent: bool = False
    """It says nothing more; else it closes the connection."""
    error: type[TidegateError]
    status: int
    """Where the answer has not begun."""

    @property
    def has_begun(self) -> bool:
        """Whether the answer begins as a success."""
        return self.answer.startswith(b"HTTP/1.1 200")


def refusal(status: int, code: str) -> bytes:
    body = msgspec.json.encode({"error": {"message": "no", "type": "x", "code": code, "param": None}})
    return b"HTTP/1.1 %d x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )


_HTML = b"HTTP/1.1 502 x\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<html>no</html>"
_BEGUN = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n"
FAULTS = {
    "closes": Fault(error=errors.ConnectionFailed, status=502),
    "silent": Fault(is_silent=True, error=errors.FirstByteTimeout, status=504),
    "no http": Fault(answer=b"SSH-2.0-x\r\n\r\n", error=errors.ConnectionFailed, status=502),
    "500": Fault(answer=refusal(500, "server_error"), error=errors.UpstreamServerError, status=500),
    "503": Fault(answer=refusal(503, "server_is_overloaded"), error=errors.UpstreamOverloaded, status=503),
    "400": Fault(answer=refusal(400, "bad"), error=errors.UpstreamRejected, status=400),
    "401": Fault(answer=refusal(401, "invalid_api_key"), error=errors.InvalidUpstreamKey, status=401),
    "no credit": Fault(answer=refusal(429, "insufficient_quota"), error=errors.InsufficientQuota, status=429),
    "429": Fault(answer=refusal(429, "rate_limit_exceeded"), error=errors.UpstreamRateLimited, status=429),
    "page": Fault(answer=_HTML, error=errors.HtmlFromProxy, status=502),
    "redirect": Fault(
        answer=b"HTTP/1.1 302 x\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", error=errors.MalformedAnswer, status=502
    ),
    "breaks off": Fault(answer=_BEGUN, error=errors.TruncatedAnswer, status=502),
    "stops": Fault(answer=_BEGUN, is_silent=True, error=errors.IdleTimeout, status=504),
}
_OPEN = {"unrecorded": "allow"}
JSON = "application/json"
KINDS: dict[str, tuple[str, str, Any, str, str]] = {
    "json": ("GET", "/files/file-1", None, "files.retrieve", JSON),
    "upload": ("POST", "/files", FORM, "files.create", JSON),
    "download": ("GET", "/files/file-1/content", None, "files.content", "application/octet-stream"),
    "speech": (
        "POST",
        "/audio/speech",
        {"model": "tts-1", "input": "a" * CHARACTERS, "voice": "alloy"},
        "audio.speech.create",
        "audio/mpeg",
    ),
    "events": (
        "POST",
        "/images/generations",
        {"model": "gpt-image-1", "prompt": "x", "stream": True},
        "images.generate",
        "text/event-stream",
    ),
}
"""Method, path, body, the route in the ledger, and the content type of an answer."""


@contextlib.asynccontextmanager
async def failing(fault: Fault) -> AsyncIterator[str]:
    """Serve this fault on every path; yield the address."""
    types = {path: content_type for _, path, _, _, content_type in KINDS.values()}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next((line for line in head.lower().split("\r\n") if line.startswith("content-length")), ":0")
            await reader.readexactly(int(length.partition(":")[2]))
            path = head.split(" ")[1].removeprefix("/v1")
            writer.write(fault.answer)
            if fault.has_begun:
                start = EVENT if "event" in types[path] else b"{" * 1000
                writer.write(f"content-type: {types[path]}\r\n\r\n".encode() + start)
            await writer.drain()
            if fault.is_silent:
                await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def view(gateway: Gateway, kind: str) -> tuple[int, str, bytes]:
    """Return a call's status, the gateway's name of its error, and what came; `cut` for an answer that broke off."""
    method, path, body, _, _ = KINDS[kind]
    headers = {"content_type": FORM_TYPE} if kind == "upload" else {}
    async with gateway.open(path, body, method=method, **headers) as response:
        name = response.headers.get("x-tidegate-error", "")
        try:
            return response.status, name, await response.read()
        except aiohttp.ClientError:
            return response.status, "cut", b""


@pytest.mark.parametrize("name", FAULTS)
async def test_each_kind_of_operation_ends_as_the_rules_say(world: World, name: str) -> None:
    fault = FAULTS[name]
    async with (
        failing(fault) as address,
        world.gateway(upstream={"base_url": address, **CLOCKS}, passthrough=_OPEN) as gateway,
    ):
        seen = dict(zip(KINDS, await asyncio.gather(*(view(gateway, kind) for kind in KINDS)), strict=True))
        entries = {entry["route"]: entry for entry in await world.ledger_entries(len(KINDS))}
    for kind, (_, _, _, route, _) in KINDS.items():
        status, error, body = seen[kind]
        has_started = fault.has_begun and kind in ("download", "speech", "events")
        if not has_started:
            assert (status, error) == (fault.status, fault.error.name), kind
        elif kind == "events":
            assert (status, error) == (200, "")
            assert body.startswith(EVENT)
            assert fault.error.name in body.decode() or str(fault.error.code) in body.decode()
        else:
            assert (status, error) == (200, "cut"), kind
        assert entries[route]["outcome"] == fault.error.name, kind
        may_cost = fault.error.may_be_charged
        if kind == "speech":
            assert entries[route]["cost_nanos"] == (SPEECH_NANOS if may_cost else 0)
        elif kind == "events":
            assert (entries[route]["cost_nanos"] > 0) is may_cost
            assert entries[route]["estimated"] is may_cost
        else:
            assert (entries[route]["cost_nanos"], entries[route]["unpriced"]) == (0, False)
