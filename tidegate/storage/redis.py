"""Access to Redis over one connection that the whole process shares. Used by all packages that store state in Redis.

Pending commands leave in one write and are answered in order, so that a busy process pays for a round trip once and not
once per request. A dedicated client exists for blocking commands (reading streams, subscriptions).
"""

import asyncio
import contextlib
import hashlib
import re
from collections import deque
from collections.abc import AsyncIterator, Sequence
from importlib import resources
from typing import Any, NamedTuple

import hiredis
import redis.asyncio
import structlog
from redis.asyncio.connection import Connection, ConnectionPool
from redis.exceptions import NoScriptError, RedisError, ResponseError

from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable
from tidegate.core.events import Event, EventName, EventSink, ignore_event
from tidegate.core.periodic import PeriodicTask
from tidegate.storage.redis_wire import RedisWire, Reply

Argument = str | bytes | int | float

MAX_PENDING = 10_000
"""The most commands that may wait for an answer.

Further ones are refused, so that a slow Redis cannot fill the memory.
"""

_CHECKS_PER_TIMEOUT = 8
_RECONNECT_SECONDS = 0.2
_CONNECT_SECONDS = 2.0
_SILENCE_SECONDS = 2.0
"""Seconds without a due answer after which a new connection is tried: the other end may be gone without notice."""

_RUN_CHANGE_SECONDS = 600
"""Seconds after a change of the run. By then every call that the old run counted has ended or is lost."""
_RUN_ID = re.compile(rb"^run_id:(\w+)", re.MULTILINE)

_log = structlog.get_logger("redis")


_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


def _lua(name: str) -> str:
    return resources.files("tidegate.storage.lua").joinpath(f"{name}.lua").read_text()


class Script:
    """A Lua script from `tidegate/storage/lua`, known to Redis by its digest.

    A line `-- include: NAME` stands for the text of another file, which defines functions.
    """

    def __init__(self, name: str) -> None:
        """`name` is the file's name without its ending."""
        self.name = name
        self.text = _INCLUDE.sub(lambda found: _lua(found[1]), _lua(name))
        self.digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def __repr__(self) -> str:
        return f"Script({self.name})"


class _PendingCommand(NamedTuple):
    """A command that waits for its answer, and the time it was sent, on the monotonic clock."""

    since: float
    answer: "asyncio.Future[Any]"


class RedisLink:
    """One process's connection to Redis. Use it between `start` and `close`.

    Every command is answered within the timeout or raises RedisUnavailable. While Redis is known to be silent or away,
    commands are refused at once instead of waiting.
    """

    def __init__(
        self, url: str, *, timeout: float, clock: Clock, on_event: EventSink = ignore_event, prefix: str = ""
    ) -> None:
        """`timeout` in seconds bounds each command.

        With a `prefix`, each new run of Redis is recorded under that prefix.
        """
        self._timeout = timeout
        self._clock = clock
        self._on_event = on_event
        self._prefix = prefix
        self._detect_restart = Script("detect_restart")
        # socket_timeout is None: each command has its own timeout, and the reading task itself may wait
        self._pool = ConnectionPool.from_url(
            url, socket_timeout=None, socket_connect_timeout=_CONNECT_SECONDS, protocol=2
        )
        self._wire: RedisWire | None = None
        self._pending: deque[_PendingCommand] = deque()
        self._silent = False
        self._outage_logged = False
        self._connection_task = PeriodicTask("redis-link", self._connect_and_serve, every=_RECONNECT_SECONDS)
        self._connected = asyncio.Event()

    def __repr__(self) -> str:
        state = "up" if self.up else "down"
        return f"<RedisLink {state}: {len(self._pending)} awaited>"

    @property
    def up(self) -> bool:
        """Return whether a command sent now may succeed: connected, and not silent for longer than the timeout."""
        return self._wire is not None and not self._silent

    async def start(self) -> None:
        """Connect in the background; return once connected, or after a second without success."""
        await self._connection_task.start()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._connected.wait(), 1.0)

    async def close(self) -> None:
        """Stop, and close the connection; pending commands fail."""
        await self._connection_task.close()
        await self._pool.disconnect()

    async def run(self, script: Script, keys: Sequence[Argument], args: Sequence[Argument]) -> Any:
        """Run a script and return its raw reply (bytes, integers, lists). Raises RedisUnavailable."""
        try:
            return await self.command("EVALSHA", script.digest, len(keys), *keys, *args)
        except RedisUnavailable as error:
            if not isinstance(error.__cause__, NoScriptError):
                raise
        return await self.command("EVAL", script.text, len(keys), *keys, *args)

    async def command(self, *parts: Argument) -> Any:
        """Send one command and return its raw reply. Raises RedisUnavailable."""
        if not self.up or len(self._pending) >= MAX_PENDING:
            raise RedisUnavailable
        try:
            return await self._send(parts)
        except RedisError as error:
            if isinstance(error, ResponseError) and not isinstance(error, NoScriptError):
                self._on_event(Event(EventName.REDIS_REFUSED))
            raise RedisUnavailable(f"Redis: {error}.") from error

    def _send(self, parts: Sequence[Argument]) -> "asyncio.Future[Any]":
        assert self._wire is not None  # noqa: S101  # `up` says so
        answer: asyncio.Future[Any] = self._wire.loop.create_future()
        packed = hiredis.pack_command(parts)  # type: ignore[arg-type]  # its stub says less than it takes
        self._pending.append(_PendingCommand(self._clock.monotonic(), answer))
        self._wire.send(packed)
        return answer

    async def ping(self) -> None:
        """Check that Redis answers. Raises RedisUnavailable."""
        await self.command("PING")

    @contextlib.asynccontextmanager
    async def dedicated(self) -> AsyncIterator["redis.asyncio.Redis"]:
        """Lend a client with its own connection, for blocking commands. Raises RedisUnavailable for its errors."""
        pool = ConnectionPool(**self._pool.connection_kwargs, connection_class=self._pool.connection_class)
        client = redis.asyncio.Redis(connection_pool=pool)
        try:
            yield client
        except (RedisError, OSError) as error:
            raise RedisUnavailable(f"Redis: {error}") from error
        finally:
            await client.aclose()
            await pool.disconnect()

    async def _connect_and_serve(self) -> None:
        """Connect, and serve until the connection is lost; one such round follows the other."""
        try:
            connection: Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # untyped there
            async with asyncio.timeout(_CONNECT_SECONDS):  # the client's handshake has no timeout of its own
                await connection.connect()  # type: ignore[no-untyped-call]  # untyped there
                await self._report_run(connection)
            if self._outage_logged:
                _log.info("redis connected again")
            self._outage_logged = False
            await self._serve(connection)
        except (RedisError, OSError) as error:
            if not self._outage_logged:  # once per outage, and not five times a second
                _log.warning("redis connection lost", error=type(error).__name__, detail=str(error))
            self._outage_logged = True
            self._on_event(Event(EventName.REDIS_LOST))
        finally:
            self._drop()

    async def _report_run(self, connection: Connection) -> None:
        """Check, before any other command, that this is the same run of Redis as before.

        A Redis that does not tell its run is taken for the same.
        """
        if not self._prefix:
            return
        try:
            info = await _send_on(connection, "INFO", "server")
        except ResponseError as error:
            _log.warning("redis does not tell its run: a restart with old data goes unnoticed", detail=str(error))
            return
        run = _RUN_ID.search(info) if isinstance(info, bytes) else None
        if run is not None:
            arguments = (f"{{{self._prefix}}}", run[1], _RUN_CHANGE_SECONDS)
            if await _send_on(connection, "EVAL", self._detect_restart.text, 0, *arguments):
                _log.warning("another run of redis: the budgets are counted from the ledger", run=run[1].decode())

    async def _serve(self, connection: Connection) -> None:
        self._wire = wire = RedisWire(connection, self._on_reply)
        self._connected.set()
        self._on_event(Event(EventName.REDIS_BACK))
        minding = asyncio.create_task(self._check_timeouts(), name="redis-mind")
        try:
            done, _ = await asyncio.wait({minding, wire.closed}, return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            minding.cancel()
            await asyncio.gather(minding, return_exceptions=True)
            wire.close()
            await connection.disconnect(nowait=True)

    def _on_reply(self, reply: Reply) -> None:
        pending = self._pending.popleft()
        if self._silent:
            self._end_silence(pending)
        answer = pending.answer
        if answer.done():
            return
        if isinstance(reply, RedisError):
            answer.set_exception(reply)
        else:
            answer.set_result(reply)

    def _end_silence(self, pending: _PendingCommand) -> None:
        """End the silence if this reply came in time; a reply that had been given up long ago does not end it."""
        if self._clock.monotonic() - pending.since < self._timeout / 2:
            self._silent = False
            self._on_event(Event(EventName.REDIS_BACK))

    async def _check_timeouts(self) -> None:
        """Check the timeouts of all commands at once: a timer for each would cost a tenth of a request."""
        patience = max(_SILENCE_SECONDS, 2 * self._timeout)
        pause = self._timeout / _CHECKS_PER_TIMEOUT
        looked, excused = self._clock.monotonic(), False
        while True:
            await asyncio.sleep(pause)
            now = self._clock.monotonic()
            excused = now - looked > 2 * pause and not excused
            looked = now
            if excused:
                continue  # this process was busy, not Redis: replies may lie unread, and are read before the next check
            if self._silent:
                self._probe()
            elif (oldest := self._oldest_command_time()) is not None and now - oldest >= self._timeout:
                self._fail_pending()
            if self._pending and now - self._pending[0].since >= patience:
                raise RedisError(f"no answer for {patience:g} s")

    def _oldest_command_time(self) -> float | None:
        return self._pending[0].since if self._pending else None

    def _fail_pending(self) -> None:
        """Fail all pending commands: replies come in order, so none can come before the overdue one."""
        self._silent = True
        self._on_event(Event(EventName.REDIS_SILENT))
        for pending in self._pending:
            if not pending.answer.done():
                pending.answer.set_exception(RedisError(f"no answer within {self._timeout:g} s"))

    def _probe(self) -> None:
        """Send a PING, so that the first call after a silence need not find out that it is over."""
        self._send(("PING",)).add_done_callback(_ignore_result)

    def _drop(self) -> None:
        self._wire = None
        self._silent = False
        self._connected.clear()
        lost = [pending.answer for pending in self._pending]
        self._pending.clear()
        for answer in lost:
            if not answer.done():
                answer.set_exception(RedisError("the connection was lost"))


async def _send_on(connection: Connection, *command: Argument) -> Any:
    await connection.send_command(*command)
    return await connection.read_response()


def _ignore_result(answer: "asyncio.Future[Any]") -> None:
    # the result of a PING is not needed, and asyncio complains of errors that are never retrieved
    if not answer.cancelled():
        answer.exception()
