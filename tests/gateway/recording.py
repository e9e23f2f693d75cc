"""A simulator that records the requests it gets, word for word, and answers when allowed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
import uvicorn

from tests.harness import Gateway, World, listening
from tidegate.simulator.app import Simulator, create_app

Json = dict[str, Any]
Message = MutableMapping[str, Any]


class RecordingUpstream:
    """An ASGI app: a simulator that records the bodies and headers it is sent."""

    def __init__(self) -> None:
        self.bodies: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self.answer_allowed = asyncio.Event()
        self.answer_allowed.set()
        self._simulator: Simulator = create_app()

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Serve one scope."""
        parts: list[bytes] = []
        if scope["type"] == "http":
            self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})

        async def heard() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                parts.append(message.get("body", b""))
                if not message.get("more_body") and any(parts):
                    self.bodies.append(msgspec.json.decode(b"".join(parts)))
                    await self.answer_allowed.wait()
            return message

        await self._simulator(scope, heard, send)


@contextlib.asynccontextmanager
async def recorded(world: World, **sections: Any) -> AsyncIterator[tuple[Gateway, list[Json]]]:
    """Run a gateway; yield it and the bodies that it sends upstream."""
    async with recording(world, **sections) as (gateway, upstream):
        yield gateway, upstream.bodies


@contextlib.asynccontextmanager
async def recording(world: World, **sections: Any) -> AsyncIterator[tuple[Gateway, RecordingUpstream]]:
    """Run a gateway and its upstream."""
    app = RecordingUpstream()
    config = uvicorn.Config(app, log_config=None, access_log=False)
    async with listening(config) as root, world.gateway(upstream={"base_url": f"{root}/v1"}, **sections) as gateway:
        yield gateway, app
