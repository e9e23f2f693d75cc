"""A TCP balancer: it asks each replica's `/readyz`, and passes connections on to those that are ready.

It looks into no byte, and sends none twice. A connection that no replica has accepted yet is offered to the next one.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from typing import Self

import aiohttp
import msgspec

from benchmarks.replica import LOOK_SECONDS, Replica

_CHUNK_BYTES = 65_536
_CHECK_SECONDS = 5.0
"""The longest that a replica may take for the answer to `/readyz`."""


class TakenOut(msgspec.Struct, frozen=True):
    """A replica that gets no new connection from now on."""

    at: float
    """On the monotonic clock."""
    port: int
    why: str


class Balancer:
    """Listens on one port in front of replicas, between `__aenter__` and `__aexit__`."""

    def __init__(self, port: int, replicas: Sequence[Replica]) -> None:
        self.root = f"http://127.0.0.1:{port}"
        self.taken_out: list[TakenOut] = []
        self.behind: dict[str, tuple[Replica, int]] = {}
        """By the address of a client with one connection: its replica, and how often that one had been killed."""
        self._port = port
        self._replicas = replicas
        self._turns = itertools.count()
        self._carrying: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_CHECK_SECONDS))
        self._watching = [asyncio.create_task(self._watch(replica)) for replica in self._replicas]
        while not all(replica.is_ready for replica in self._replicas):  # noqa: ASYNC110  # each look is a poll itself
            await asyncio.sleep(LOOK_SECONDS)
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port, backlog=1024)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in [*self._watching, *self._carrying]:
            task.cancel()
        await asyncio.gather(*self._watching, *self._carrying, return_exceptions=True)
        await self._http.close()

    async def _watch(self, replica: Replica) -> None:
        while True:
            why = ""
            try:
                async with self._http.get(f"{replica.root}/readyz") as answer:
                    if answer.status != 200:
                        why = f"/readyz said {answer.status}: {(await answer.text())[:200]}"
            except (aiohttp.ClientError, TimeoutError) as error:
                why = f"/readyz did not answer: {type(error).__name__}"
            if why:
                self._take_out(replica, why)
            else:
                replica.is_ready = True
            await asyncio.sleep(LOOK_SECONDS)

    def _take_out(self, replica: Replica, why: str) -> None:
        if replica.is_ready:
            replica.is_ready = False
            self.taken_out.append(TakenOut(time.monotonic(), replica.port, why))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a server runs its callback in a task
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)
        # asyncio's server reports a callback that was cancelled, which the end of the balancer does
        with contextlib.suppress(asyncio.CancelledError):
            await self._carry(reader, writer)
        writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        turn = next(self._turns)
        ready = [replica for replica in self._replicas if replica.is_ready]
        for number in range(len(ready)):
            replica = ready[(turn + number) % len(ready)]
            self.behind[writer.get_extra_info("peername")[0]] = (replica, replica.kills)
            try:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", replica.port)
            except OSError as error:
                self._take_out(replica, f"it refused a connection: {type(error).__name__}")
                continue
            async with _closing(far_writer):
                await _first_of(_pump(reader, far_writer), _pump(far_reader, writer))
            return


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.transport.abort()


async def _first_of(*pumps: "asyncio._CoroutineLike[None]") -> None:
    """Run until one of them ends."""
    tasks = [asyncio.create_task(pump) for pump in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        await writer.drain()
