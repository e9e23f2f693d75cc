"""Many paced streams at once: what one chunk costs the program in between, in CPU time."""

import asyncio
import uuid
from functools import partial
from typing import cast

import msgspec
import uvloop

from benchmarks.closed_loop import address, request
from benchmarks.instant import CHUNKS_PER_SECOND
from benchmarks.processes import BenchmarkError, Program
from benchmarks.target import Target

_MOST_SECONDS = 60.0


class Chunks(msgspec.Struct, frozen=True, kw_only=True):
    """`streams` were open at once; `seconds` were measured, in which `chunks` arrived for `cpu_seconds`."""

    streams: int
    seconds: float
    chunks: int
    cpu_seconds: float

    @property
    def microseconds_each(self) -> float:
        """CPU time per chunk."""
        return self.cpu_seconds / self.chunks * 1e6

    @property
    def pace(self) -> float:
        """Chunks a second of one stream; below the upstream's own, the program falls behind."""
        return self.chunks / self.seconds / self.streams


class _Reader(asyncio.Protocol):
    """Sends one request and counts the events that come back."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._begun = False
        self.chunks = 0
        self.failed = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._begun and b" 200 " not in data[:15]:
            self.failed = data
        self._begun = True
        self.chunks += data.count(b"data: ")


def body(target: Target) -> bytes:
    """Return the body of a call that asks for a stream, different each time."""
    question = {"role": "user", "content": f"Sing of the tide, {uuid.uuid4()}"}
    return msgspec.json.encode({"model": target.model, "stream": True, "messages": [question]})


def measure(program: Program, target: Target, *, streams: int, seconds: float) -> Chunks:
    """Hold `streams` open and measure while all of them flow. Raises BenchmarkError when one does not."""
    return uvloop.run(_measure(program, target, streams, seconds))


async def _measure(program: Program, target: Target, streams: int, seconds: float) -> Chunks:
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(partial(_Reader, request(target, body(target))), *address(target))
        for _ in range(streams)
    ]
    readers = [reader for _, reader in opened]
    await _until_all_flow(readers)
    chunks, cpu, started = _count(readers), program.cpu_seconds(), loop.time()
    await asyncio.sleep(seconds)
    result = Chunks(
        streams=streams,
        seconds=loop.time() - started,
        chunks=_count(readers) - chunks,
        cpu_seconds=program.cpu_seconds() - cpu,
    )
    for transport, _ in opened:
        transport.close()
    return result


async def _until_all_flow(readers: list[_Reader]) -> None:
    deadline = asyncio.get_running_loop().time() + _MOST_SECONDS
    while not all(reader.chunks > 2 for reader in readers):
        refused = [reader.failed for reader in readers if reader.failed]
        if refused or asyncio.get_running_loop().time() > deadline:
            raise BenchmarkError(f"A stream does not flow: {refused[:1]}")
        await asyncio.sleep(1 / CHUNKS_PER_SECOND)


def _count(readers: list[_Reader]) -> int:
    return sum(reader.chunks for reader in readers)
