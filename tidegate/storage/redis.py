"""Access to Redis over one connection that the whole process shares. Used by all packages that store state in Redis.

Pending commands leave in one write and are answered in order, so that a busy process pays for a round trip once and not
once per request. A dedicated client exists for blocking commands (reading streams, subscriptions).
"""

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hiredis
import redis.asyncio
import structlog
from redis.asyncio.connection import Connection
from redis.exceptions import BusyLoadingError, MovedError, NoScriptError, RedisError, ResponseError

from tidegate.core.clock import Clock
from tidegate.core.config import ConfigError
from tidegate.core.errors import RedisUnavailable
from tidegate.core.events import Event, EventName, EventSink, ignore_event
from tidegate.core.periodic import PeriodicTask
from tidegate.storage.full_memory import is_full, writing_anyway
from tidegate.storage.names import RedisNames
from tidegate.storage.outage_log import OutageLog, silent
from tidegate.storage.redis_nodes import CONNECT_SECONDS, SENTINEL, RedisNodes
from tidegate.storage.redis_wire import RedisWire, Reply
from tidegate.storage.repair import MAX_REPAIRS, is_unreadable, repaired_kinds, repairing
from tidegate.storage.script import Script

__all__ = ["MAX_PENDING", "Argument", "RedisLink", "Script"]

Argument = str | bytes | int | float

MAX_PENDING = 10_000
"""The most commands that may wait for an answer.

Further ones are refused, so that a slow Redis cannot fill the memory.
"""

_CHECKS_PER_TIMEOUT, _TURNS_TO_READ = 8, 2
_RECONNECT_SECONDS = 0.2
_SILENCE_SECONDS = 2.0
"""Seconds without a due answer after which a new connection is tried: the other end may be gone without notice."""

_RUN_CHANGE_SECONDS = 600
"""By then every call that the old run counted has ended or is lost."""
_MODE_SENTINEL = re.compile(rb"(?:redis|server)_mode:sentinel")
_MODE_CLUSTER = re.compile(rb"(?:redis|server)_mode:cluster")
"""Redis says `redis_mode`, Valkey `server_mode`."""
_RUN_ID = re.compile(rb"^run_id:(\w+)", re.MULTILINE)

_log = structlog.get_logger("redis")


@dataclass(slots=True)
class _PendingCommand:
    """A command that waits for its answer, and when it was sent, plus the time in which a busy process did not look."""

    since: float
    answer: "asyncio.Future[Any]"


class RedisLink:
    """One process's connection to Redis. Use it between `start` and `close`.

    Every command is answered within the timeout or raises RedisUnavailable. While Redis is known to be silent or away,
    commands are refused at once instead of waiting.
    """

    def __init__(  # noqa: PLR0913  # a parameter for each choice
        self,
        url: str,
        *,
        timeout: float,
        clock: Clock,
        on_event: EventSink = ignore_event,
        prefix: str = "",
        ca_file: Path | None = None,
        outages: OutageLog | None = None,
    ) -> None:
        """`timeout` in seconds bounds each command. `ca_file` has the authorities to trust besides the system's.

        With a `prefix`, each new run of Redis is recorded under that prefix. `outages` logs when Redis is lost and
        back. Raises ConfigError.
        """
        self._timeout = timeout
        self._clock = clock
        self._on_event = on_event
        self._prefix = prefix
        self._detect_restart, self._repair_key = Script("detect_restart"), Script("repair_key")
        self._nodes = RedisNodes(url, ca_file=ca_file)
        self._wire: RedisWire | None = None
        self._pending: deque[_PendingCommand] = deque()
        self._silent = False
        self._refusal: ConfigError | None = None
        self._outage = outages or silent()
        self._connection_task = PeriodicTask("redis-link", self._connect_and_serve, every=_RECONNECT_SECONDS)
        self._connected = asyncio.Event()

    def __repr__(self) -> str:
        return f"<RedisLink {'up' if self.up else 'down'}: {len(self._pending)} awaited>"

    @property
    def up(self) -> bool:
        """Return whether a command sent now may succeed: connected, and not silent for longer than the timeout."""
        return self._wire is not None and not self._silent

    async def start(self) -> None:
        """Connect in the background; return once connected, or after a second without success.

        Raises ConfigError where something else than a Redis that keeps data answers.
        """
        await self._connection_task.start()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._connected.wait(), 1.0)
        if self._refusal is not None:
            await self.close()
            raise self._refusal

    async def close(self) -> None:
        """Stop, and close the connection; pending commands fail."""
        await self._connection_task.close()

    async def run(self, script: Script, keys: Sequence[Argument], args: Sequence[Argument]) -> Any:
        """Run a script and return its raw reply (bytes, integers, lists). Raises RedisUnavailable.

        A key that it cannot read is set aside, and the script is run again.
        """
        try:
            return await self.command("EVALSHA", script.digest, len(keys), *keys, *args)
        except RedisUnavailable as error:
            if not isinstance(error.__cause__, NoScriptError):
                return await self._run_again(error, script, keys, args)
        try:
            return await self.command("EVAL", script.text, len(keys), *keys, *args)
        except RedisUnavailable as error:
            return await self._run_again(error, script, keys, args)

    async def _run_again(
        self, error: RedisUnavailable, script: Script, keys: Sequence[Argument], args: Sequence[Argument]
    ) -> Any:
        """Run a script again that failed for what Redis holds, or for how much it holds; else raise the error."""
        if is_full(error.__cause__):
            return await self.command("EVAL", writing_anyway(script), len(keys), *keys, *args)
        if is_unreadable(error.__cause__, of_script=True):
            return await self._run_repairing(script, keys, args)
        raise error

    async def _run_repairing(self, script: Script, keys: Sequence[Argument], args: Sequence[Argument]) -> Any:
        for _ in range(MAX_REPAIRS):
            try:
                return await self.command("EVAL", repairing(script), len(keys), *keys, *args)
            except RedisUnavailable as error:
                kinds = repaired_kinds(error.__cause__)
                if not kinds:
                    raise
                self._note_repairs(kinds)
        raise RedisUnavailable(f"Redis: {MAX_REPAIRS} values in a row could not be read, and were set aside.")

    async def repair(self, key: str) -> None:
        """Set a key aside whose value cannot be read. Raises RedisUnavailable."""
        kind: bytes = await self.command("EVAL", self._repair_key.text, 1, key)
        self._note_repairs([kind.decode()] if kind else [])

    def _note_repairs(self, kinds: Sequence[str]) -> None:
        for kind in kinds:
            _log.error("a value in redis could not be read, and was set aside", kind=kind)
            self._on_event(Event(EventName.REDIS_REPAIRED))

    async def command(self, *parts: Argument) -> Any:
        """Send one command and return its raw reply. Raises RedisUnavailable.

        A key of ours that is not of the command's type is set aside, and the command is sent again.
        """
        if not self.up or len(self._pending) >= MAX_PENDING:
            raise RedisUnavailable
        try:
            return await self._send(parts)
        except MovedError as error:
            await self._follow(error)
            return await self._send_again(parts)
        except RedisError as error:
            if is_unreadable(error, of_script=False) and not str(parts[0]).startswith("EVAL"):
                await self.repair(_key_of(parts))
                return await self._send_again(parts)
            if isinstance(error, ResponseError) and not isinstance(error, NoScriptError):
                self._on_event(Event(EventName.REDIS_REFUSED))
            if is_full(error) and not str(parts[0]).startswith("EVAL"):
                return await self._send_again(("EVAL", writing_anyway(), 1, _key_of(parts), *parts))
            raise _unavailable(error) from error

    async def _follow(self, moved: MovedError) -> None:
        """Connect to the node that has the keys now."""
        if self._nodes.follow(moved):
            self._connected.clear()
            if self._wire is not None:
                self._wire.fail(moved)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._connected.wait(), self._timeout)

    async def _send_again(self, parts: Sequence[Argument]) -> Any:
        try:
            if self.up:
                return await self._send(parts)
        except RedisError as error:
            raise RedisUnavailable(f"Redis: {error}.") from error
        raise RedisUnavailable

    def _send(self, parts: Sequence[Argument]) -> "asyncio.Future[Any]":
        assert self._wire is not None  # noqa: S101  # `up` says so
        answer: asyncio.Future[Any] = self._wire.loop.create_future()
        packed = hiredis.pack_command(parts)  # type: ignore[arg-type]  # its stub says less than it takes
        self._pending.append(_PendingCommand(self._clock.monotonic(), answer))
        self._wire.send(packed)
        return answer

    async def use_url(self, url: str) -> bool:
        """Use another address for new connections, if Redis answers there; return whether it does."""
        return await self._nodes.use_url(url)

    async def ping(self) -> None:
        """Check that Redis answers. Raises RedisUnavailable."""
        await self.command("PING")

    @contextlib.asynccontextmanager
    async def dedicated(self) -> AsyncIterator["redis.asyncio.Redis"]:
        """Lend a client with its own connection, for blocking commands. Raises RedisUnavailable for its errors."""
        client, pool = self._nodes.client()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):  # what says nothing would be waited for as long as it is there
                await client.ping()
            yield client
        except RedisError as error:
            raise _unavailable(error) from error
        except OSError as error:
            raise RedisUnavailable(f"Redis: {str(error) or type(error).__name__}.") from error
        finally:
            with contextlib.suppress(RedisError):  # a silent end does not take part in TLS's farewell: it is left alone
                await client.aclose()
                await pool.disconnect()

    async def _connect_and_serve(self) -> None:
        """Connect, and serve until the connection is lost; one such round follows the other."""
        connection = self._nodes.connection()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):  # the client's handshake has no timeout of its own
                await connection.connect()  # type: ignore[no-untyped-call]  # untyped there
                await self._report_run(connection)
            self._outage.answered()
            await self._serve(connection)
        except MovedError as moved:
            self._nodes.follow(moved)
            self._connection_task.wake()
        except (RedisError, OSError) as error:
            self._nodes.failed()
            self._outage.failed(error)
            self._on_event(Event(EventName.REDIS_LOST))
        finally:
            self._drop()
            await connection.disconnect(nowait=True)  # also one that failed in its handshake: it holds a socket

    async def _report_run(self, connection: Connection) -> None:
        """Check, before any other command, that this is the same run of Redis as before.

        A Redis that does not tell its run is taken for the same.
        """
        if not self._prefix:
            return
        info = await self._info(connection)
        if _MODE_SENTINEL.search(info):
            self._refusal = ConfigError(f"The address in TIDEGATE_REDIS_URL {SENTINEL}")
            raise RedisError(str(self._refusal))
        await _send_on(connection, "EXISTS", RedisNames(self._prefix).of("run"))  # MOVED, if another node has the keys
        if _MODE_CLUSTER.search(info):
            with contextlib.suppress(ResponseError):  # not permitted: then only the address of the URL is tried again
                self._nodes.learn(await _send_on(connection, "CLUSTER", "NODES"))
        run = _RUN_ID.search(info)
        if run is not None:
            arguments = (RedisNames(self._prefix).tag, run[1], _RUN_CHANGE_SECONDS)
            if await _send_on(connection, "EVAL", self._detect_restart.text, 0, *arguments):
                _log.warning("another run of redis: the budgets are counted from the ledger", run=run[1].decode())

    async def _info(self, connection: Connection) -> bytes:
        try:
            info = await _send_on(connection, "INFO", "server")
        except ResponseError as error:
            _log.warning("redis does not tell its run: a restart with old data goes unnoticed", detail=str(error))
            return b""
        return info if isinstance(info, bytes) else b""

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
        looked = self._clock.monotonic()
        while True:
            await asyncio.sleep(pause)
            now = self._clock.monotonic()
            if now - looked > 2 * pause:  # this process was busy: commands may lie unsent, and replies unread
                self._excuse(now - looked - pause, now)
            looked = now
            if self._silent:
                self._probe()
            elif self._is_overdue(now):
                for _ in range(_TURNS_TO_READ):
                    await asyncio.sleep(0)  # a reply that has arrived is read now: timers come before sockets
                if self._is_overdue(now):
                    self._fail_pending()
            if self._pending and now - self._pending[0].since >= patience:
                raise RedisError(f"no answer for {patience:g} s")

    def _excuse(self, seconds: float, now: float) -> None:
        """Do not hold the seconds in which this process did not look against Redis."""
        for pending in self._pending:
            pending.since = min(pending.since + seconds, now)

    def _is_overdue(self, now: float) -> bool:
        return bool(self._pending) and now - self._pending[0].since >= self._timeout

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


def _unavailable(error: RedisError) -> RedisUnavailable:
    unavailable = RedisUnavailable(f"Redis: {error}.")
    refused = isinstance(error, ResponseError | BusyLoadingError) and not isinstance(error, NoScriptError)
    return unavailable.as_refusal() if refused else unavailable


def _key_of(parts: Sequence[Argument]) -> str:
    """Return the key of a command: its first argument, but of XGROUP the second."""
    key = parts[2] if parts[0] == "XGROUP" else parts[1]
    return key.decode(errors="replace") if isinstance(key, bytes) else str(key)


def _ignore_result(answer: "asyncio.Future[Any]") -> None:
    # the result of a PING is not needed, and asyncio complains of errors that are never retrieved
    if not answer.cancelled():
        answer.exception()
