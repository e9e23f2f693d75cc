"""Realtime sessions to a gateway: what a user says and writes, and the events until one of a kind."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import msgspec
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.asyncio.client import ClientConnection, connect

from tests.eventually import PATIENCE_SECONDS
from tests.harness import Gateway

Json = dict[str, Any]

SAID = b"\x01\x02" * 24_000
"""A second of speech, as PCM."""
SILENCE = bytes(48_000)


async def append_audio(session: AsyncRealtimeConnection, *parts: bytes) -> None:
    for part in parts:
        await session.input_audio_buffer.append(audio=base64.b64encode(part).decode())


async def write_message(session: AsyncRealtimeConnection, text: str) -> None:
    content: Any = [{"type": "input_text", "text": text}]
    await session.conversation.item.create(item={"type": "message", "role": "user", "content": content})


async def until(session: AsyncRealtimeConnection, kind: str) -> list[Any]:
    """Return all events up to the first of a kind."""
    events: list[Any] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not events or events[-1].type != kind:
            events.append(await session.recv())
    return events


@contextlib.asynccontextmanager
async def raw_session(
    gateway: Gateway, *, headers: Json | None = None, subprotocols: Any = None, **query: str
) -> AsyncIterator[ClientConnection]:
    """Open a session without the SDK, to send what the SDK would not."""
    url = f"{gateway.base_url.replace('http', 'ws', 1)}/realtime?{urlencode(query or {'model': 'gpt-realtime'})}"
    sent = {"authorization": f"Bearer {gateway.key}"} if headers is None else headers
    async with connect(
        url, additional_headers=sent, subprotocols=subprotocols, max_size=None, compression=None
    ) as connection:
        yield connection


async def raw_until(connection: ClientConnection, *kinds: str) -> list[Json]:
    """Return all events up to the first of one of these kinds."""
    events: list[Json] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not events or events[-1]["type"] not in kinds:
            events.append(msgspec.json.decode(await connection.recv()))
    return events


async def send(connection: ClientConnection, kind: str, **fields: Any) -> None:
    await connection.send(msgspec.json.encode({"type": kind, **fields}).decode())
