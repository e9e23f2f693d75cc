"""WebSocket connections to a gateway, and their events."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from openai.types.responses import ResponsesServerEvent
from pydantic import TypeAdapter
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.harness import Gateway

Json = dict[str, Any]

ANY_EVENT: TypeAdapter[Any] = TypeAdapter(ResponsesServerEvent)
ASK: Json = {"type": "response.create", "model": "gpt-4o-mini", "input": "When is high tide?", "store": False}
LAST = {"response.completed", "response.incomplete", "response.failed", "error"}


@contextlib.asynccontextmanager
async def raw(gateway: Gateway, key: str | None = None, **headers: str) -> AsyncIterator[ClientConnection]:
    """Open a connection without the SDK, to send what the SDK would not."""
    url = gateway.base_url.replace("http", "ws", 1) + "/responses"
    results = {"authorization": f"Bearer {key or gateway.key}", **headers}
    async with connect(url, additional_headers=results, max_size=None, compression=None) as connection:
        yield connection


async def response_events(connection: ClientConnection) -> list[Json]:
    """Return all events up to the last of a response."""
    events: list[Json] = []
    while not events or events[-1]["type"] not in LAST:
        events.append(msgspec.json.decode(await connection.recv()))
    return events


async def send_request(connection: ClientConnection, **fields: Any) -> list[Json]:
    await connection.send(msgspec.json.encode({**ASK, **fields}).decode())
    return await response_events(connection)


def text_of(response: Json) -> str:
    return "".join(part["text"] for item in response["output"] for part in item["content"])


async def close_code(connection: ClientConnection) -> int:
    """Return the code with which the gateway closes; events before that are skipped."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await connection.recv()
    return connection.close_code or 0
