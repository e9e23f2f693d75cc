"""Clients that abort, stall, flood or half-close are answered or dropped in time, and others are served."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import structlog

from tests.eventually import PATIENCE_SECONDS
from tests.harness import CHAT, Gateway, World

BODY = msgspec.json.encode(CHAT)
SMALL: dict[str, Any] = {"max_body_bytes": 4096}


@pytest.fixture
async def gateway(world: World) -> AsyncIterator[Gateway]:
    async with world.gateway(server=SMALL) as gateway:
        yield gateway


@pytest.fixture
async def impatient(world: World) -> AsyncIterator[Gateway]:
    async with world.gateway(server={**SMALL, "body_seconds": 0.5}) as gateway:
        yield gateway


def head(gateway: Gateway, *lines: str) -> bytes:
    """Return the head of a chat request."""
    said = [
        "POST /v1/chat/completions HTTP/1.1",
        "host: gateway",
        "content-type: application/json",
        f"authorization: Bearer {gateway.key}",
        *lines,
        "",
        "",
    ]
    return "\r\n".join(said).encode()


async def connect(gateway: Gateway) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = gateway.root.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def received_bytes(gateway: Gateway, *parts: bytes, pause: float = 0.0) -> bytes:
    """Return the bytes that arrive until the gateway or a minute ends the connection."""
    reader, writer = await connect(gateway)
    answer = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
            while data := await reader.read(65536):
                answer += data
                if b"\r\n\r\n" in answer and not answer.startswith(b"HTTP/1.1 100"):
                    break
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("lines", "parts", "status", "code"),
    [
        (("content-length: 9999999999",), (), b"413", b"body_too_large"),
        (("content-length: 5000",), (b"x" * 100,), b"413", b"body_too_large"),
        (("transfer-encoding: chunked",), (b"1000\r\n" + b"x" * 4096 + b"\r\n",) * 3, b"413", b"body_too_large"),
        (("content-length: 100",), (b"{",), b"408", b"body_timeout"),
        (("transfer-encoding: chunked",), (b"1\r\n{\r\n",), b"408", b"body_timeout"),
        (("content-length: 0",), (), b"400", b"empty"),
        (("transfer-encoding: chunked",), (b"zz\r\n",), b"400", b"malformed_http"),
        (("content-length: 2", "content-encoding: gzip"), (b"{}",), b"400", b"invalid_compression"),
    ],
)
async def test_a_body_that_never_ends_or_is_none_is_refused_by_name(
    impatient: Gateway, world: World, lines: tuple[str, ...], parts: tuple[bytes, ...], status: bytes, code: bytes
) -> None:
    answer = await received_bytes(impatient, head(impatient, *lines), *parts)
    assert answer.startswith(b"HTTP/1.1 " + status), answer
    assert code in answer
    assert await world.calls() == 0
    assert (await impatient.chat()).status == 200


async def test_a_body_may_come_in_small_pieces_and_be_waited_for(gateway: Gateway) -> None:
    said = head(gateway, f"content-length: {len(BODY)}", "expect: 100-continue")
    reader, writer = await connect(gateway)
    writer.write(said)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    for start in range(0, len(BODY), 7):
        writer.write(BODY[start : start + 7])
        await writer.drain()
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()


@pytest.mark.parametrize("cut", [0, 1, 10, len(BODY) - 1])
async def test_an_aborted_upload_leaves_no_trace(gateway: Gateway, world: World, cut: int) -> None:
    with structlog.testing.capture_logs() as logs:
        _, writer = await connect(gateway)
        writer.write(head(gateway, f"content-length: {len(BODY)}") + BODY[:cut])
        await writer.drain()
        writer.transport.abort()
        assert (await gateway.chat()).status == 200
    assert [line for line in logs if line["log_level"] in ("error", "critical")] == []
    assert len(await world.ledger_entries(1)) == 1


async def test_a_client_that_closes_its_half_is_gone(gateway: Gateway, world: World) -> None:
    reader, writer = await connect(gateway)
    writer.write(head(gateway, f"content-length: {len(BODY)}", "x-simulate-latency: 30") + BODY)
    await writer.drain()
    await world.wait_for_stats(calls={"chat": 1})
    writer.write_eof()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await reader.read() == b""
    (line,) = await world.ledger_entries(1)
    assert line["outcome"] == "client_disconnected"
    writer.close()


async def test_a_crowd_that_says_nothing_keeps_nobody_out(gateway: Gateway) -> None:
    crowd = await asyncio.gather(*(connect(gateway) for _ in range(200)))
    half = b"POST /v1/chat/completions HTTP/1.1\r\nx-slow: "
    for _, writer in crowd[::2]:
        writer.write(half)
    answers = await asyncio.gather(*(gateway.chat({**CHAT, "seed": number}) for number in range(10)))
    assert {answer.status for answer in answers} == {200}
    for _, writer in crowd:
        writer.close()


async def test_pipelined_calls_are_answered_in_turn(gateway: Gateway, world: World) -> None:
    call = head(gateway, f"content-length: {len(BODY)}") + BODY
    reader, writer = await connect(gateway)
    writer.write(call * 3)
    answers = b""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while answers.count(b"HTTP/1.1 200") < 3:
            answers += await reader.read(65536)
    writer.close()
    assert len(await world.ledger_entries(3)) == 3
    assert await world.calls() == 1, "the second and third are hits"
