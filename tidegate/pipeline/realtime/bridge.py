"""Carries the events of one session both ways, each once it is metered, until one side ends it or it may not go on.

One event of each direction is on its way at a time: a side that does not read makes the other one wait.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from tidegate.core.config import MESSAGE_COPIES, RealtimeConfig
from tidegate.core.errors import (
    ClientDisconnected,
    EventTooLarge,
    SessionExpired,
    SessionIdle,
    SessionLost,
    ShuttingDown,
    StoreError,
    TidegateError,
    TooManyValues,
)
from tidegate.core.process.heavy_turns import with_pauses
from tidegate.core.process.lifecycle import Lifecycle
from tidegate.pipeline.realtime.meter import SessionMeter
from tidegate.pipeline.realtime.session import ClientEnd, SessionEnd, ends_session
from tidegate.wire.decoded_size import decoded_size_in_steps
from tidegate.wire.realtime.client_events import STARTS_WORK, ClientEvent, read_client_event
from tidegate.wire.realtime.server_events import read_server_event

EXPIRED, REFUSED, TOO_LARGE, FAILED, RESTARTING, NO_MEMORY = 1001, 1008, 1009, 1011, 1012, 1013
"""The codes with which the client's connection is closed."""
_CANCEL = '{"type":"response.cancel"}'
_STOP_SECONDS = 5.0
"""For which the usage of responses is waited for that are cancelled at the end."""
_CHECK_SECONDS = 0.5
_LARGE_BYTES = 64 * 1024
"""What a smaller event takes once it is decoded is not estimated."""
_MAX_CONTAINERS = 20_000
_ERROR_SECONDS = 1.0
"""Audio that is refused has one error event in so many seconds: it comes in many events."""


class UpstreamEnd(Protocol):
    """The upstream's side of a session; `tidegate.providers.web_socket.UpstreamSocket` is one."""

    async def receive(self) -> str:
        """Return the next event. Raises SessionLost."""
        ...

    async def send(self, text: str) -> None:
        """Send an event. Raises SessionLost."""
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...


class BridgeServices(msgspec.Struct, frozen=True, kw_only=True):
    """What a bridge needs besides the two sides."""

    check_key: Callable[[], Awaitable[None]]
    """Raises TidegateError if the session's key may not go on. Called twice a second."""
    error_event: Callable[[TidegateError, str | None], str]
    """Returns an error as an event, with the name of the client's event that led to it."""
    config: RealtimeConfig
    lifecycle: Lifecycle
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


class RealtimeBridge:
    """Carries the events of one session."""

    def __init__(self, client: ClientEnd, upstream: UpstreamEnd, meter: SessionMeter, services: BridgeServices) -> None:
        self._client = client
        self._upstream = upstream
        self._meter = meter
        self._services = services
        self._loop = asyncio.get_running_loop()
        self._began = self._last_event = self._loop.time()
        self._told_at = float("-inf")

    async def run(self) -> SessionEnd:
        """Carry events until the session ends, tell the client why, and charge what was used."""
        try:
            end = await self._carry()
        except asyncio.CancelledError:
            if (shutting_down := self._services.lifecycle.take_cancellation()) is None:
                await asyncio.shield(self._finish(SessionEnd(error=ClientDisconnected())))
                raise
            end = SessionEnd(error=shutting_down, code=RESTARTING)
        await self._finish(end)
        return end

    async def _carry(self) -> SessionEnd:
        tasks = [
            asyncio.create_task(carry, name=f"realtime-{name}")
            for name, carry in (
                ("client", self._read_client()),
                ("upstream", self._read_upstream()),
                ("watch", self._watch()),
            )
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(task.result() for task in tasks if task.done())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_client(self) -> SessionEnd:
        while True:
            try:
                data = await self._client.receive()
                if data is None:
                    self._meter.is_draining = True
                    if not self._meter.is_busy:
                        return SessionEnd(error=ShuttingDown(), code=RESTARTING)
                elif (refused := await self._forward(data)) is not None:
                    return SessionEnd(error=refused, code=REFUSED)
            except ClientDisconnected:
                return SessionEnd()
            except SessionLost as error:
                return SessionEnd(error=error, code=FAILED)
            except TidegateError as error:  # the client's connection takes no more
                return SessionEnd(error=error, code=TOO_LARGE if isinstance(error, EventTooLarge) else NO_MEMORY)

    async def _forward(self, data: bytes) -> TidegateError | None:
        """Meter and forward one event of the client; return the error with which the session ends, if it does."""
        self._last_event = self._loop.time()
        event: ClientEvent | None = None
        try:
            if len(data) > _LARGE_BYTES:
                await _check_size(data)
            event = read_client_event(data)
            await self._meter.admit(event)
        except TidegateError as error:
            if ends_session(error):
                return error
            await self._tell(error, event)
            return None
        await self._upstream.send(event.frame)
        return None

    async def _tell(self, error: TidegateError, event: ClientEvent | None) -> None:
        """Send the error of an event that was not forwarded; of refused audio one a second."""
        if event is not None and event.audio_chars and event.type in STARTS_WORK:
            if self._last_event < self._told_at + _ERROR_SECONDS:
                return
            self._told_at = self._last_event
        await self._client.send(self._services.error_event(error, None if event is None else event.event_id))

    async def _read_upstream(self) -> SessionEnd:
        while True:
            try:
                text = await self._upstream.receive()
            except SessionLost as error:
                return SessionEnd(error=error, code=FAILED)
            self._last_event = self._loop.time()
            refused = await self._note(text)
            try:
                await self._client.send(text)
            except ClientDisconnected:
                return SessionEnd()
            if refused is not None:
                return SessionEnd(error=refused, code=REFUSED)
            if self._meter.is_draining and not self._meter.is_busy:
                return SessionEnd(error=ShuttingDown(), code=RESTARTING)

    async def _note(self, text: str) -> TidegateError | None:
        """Meter one event of the upstream; return the error with which the session ends, if it does."""
        try:
            await self._meter.note(read_server_event(text.encode()))
        except TidegateError as error:  # where a store is away, the next event that costs something is refused
            return error if ends_session(error) else None
        return None

    async def _watch(self) -> SessionEnd:
        """Return once the session has lasted too long, was silent too long, or its key may not go on."""
        config = self._services.config
        while True:
            now = self._loop.time()
            if now >= self._began + config.max_session_seconds:
                return SessionEnd(error=SessionExpired(), code=EXPIRED)
            if now >= self._last_event + config.idle_seconds:
                return SessionEnd(error=SessionIdle(), code=EXPIRED)
            try:
                await self._services.check_key()
            except StoreError:  # it is not known; a store that is away ends no session
                pass
            except TidegateError as error:
                return SessionEnd(error=error, code=REFUSED)
            left = min(self._began + config.max_session_seconds, self._last_event + config.idle_seconds) - now
            await self._services.pause(min(_CHECK_SECONDS, left))

    async def _finish(self, end: SessionEnd) -> None:
        if end.error is not None and not isinstance(end.error, ClientDisconnected):
            with contextlib.suppress(ClientDisconnected):
                await self._client.send(self._services.error_event(end.error, None))
        try:
            if self._meter.is_busy and not isinstance(end.error, SessionLost):
                await self._stop_responses()
        finally:
            await self._meter.end(end.error)
            await self._upstream.close()

    async def _stop_responses(self) -> None:
        """Cancel what is in progress at the upstream, and read what it used."""
        with contextlib.suppress(SessionLost, TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._upstream.send(_CANCEL)
                while self._meter.is_busy:
                    await self._note(await self._upstream.receive())


async def _check_size(data: bytes) -> None:
    """Look what an event takes once it is decoded. Raises TooManyValues for one that would grow much."""
    decoded = await with_pauses(decoded_size_in_steps(data))
    if decoded.size > MESSAGE_COPIES * len(data) or decoded.containers > _MAX_CONTAINERS:
        raise TooManyValues
