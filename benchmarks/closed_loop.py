"""Whole answers under load: each connection sends its next call as soon as the last one is answered."""

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import cast

import httptools
import msgspec
import uvloop

from benchmarks.processes import BenchmarkError
from benchmarks.target import Target

_MOST_SECONDS_AFTER = 30.0


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls were answered, and in what time; `p50` and `p99` are the seconds that one call took."""

    requests: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Return the answers a second."""
        return self.requests / self.seconds


def bodies(target: Target, kind: str, name: str) -> Iterator[bytes]:
    """Yield the bodies of chat calls: each its own for `miss`, always the same for `hit`; `name` sets runs apart."""
    for number in count(1):
        words = f"Why is there a tide? {name} {number if kind == 'miss' else 0}"
        messages = [{"role": "system", "content": "You are terse."}, {"role": "user", "content": words}]
        yield msgspec.json.encode({"model": target.model, "messages": messages, "temperature": 0.2})


def request(target: Target, body: bytes) -> bytes:
    """Return the bytes of one HTTP request."""
    path = "/" + target.url.split("/", 3)[3]
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {target.key}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in target.headers.items())
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def address(target: Target) -> tuple[str, int]:
    """Return the host and the port to connect to."""
    host, _, port = target.url.split("/")[2].partition(":")
    return host, int(port)


def run(target: Target, *, connections: int, seconds: float, kind: str, name: str) -> Calls:
    """Call for `seconds` and wait for the last answers. Raises BenchmarkError when any call failed."""
    return uvloop.run(_run(target, connections, seconds, partial(next, bodies(target, kind, name))))


async def _run(target: Target, connections: int, seconds: float, body: Callable[[], bytes]) -> Calls:
    loop = asyncio.get_running_loop()
    started = loop.time()
    opened = [
        await loop.create_connection(
            partial(_Caller, partial(_next, target, body, started + seconds)), *address(target)
        )
        for _ in range(connections)
    ]
    callers = [caller for _, caller in opened]
    try:
        async with asyncio.timeout(seconds + _MOST_SECONDS_AFTER):
            await asyncio.gather(*(caller.ended for caller in callers))
    except TimeoutError as error:
        raise BenchmarkError(f"{target.url} left a call without an answer for {_MOST_SECONDS_AFTER:g} s") from error
    finally:
        for transport, _ in opened:
            transport.close()
    took = sorted(seconds for caller in callers for seconds in caller.took)
    if not took:
        raise BenchmarkError(f"{target.url} answered no call within {seconds:g} s")
    return Calls(
        requests=len(took),
        seconds=loop.time() - started,
        p50=took[len(took) // 2],
        p99=took[len(took) * 99 // 100],
    )


def _next(target: Target, body: Callable[[], bytes], until: float) -> bytes | None:
    return request(target, body()) if asyncio.get_running_loop().time() < until else None


class _Caller(asyncio.Protocol):
    """One connection: sends what `next_request` returns until that is None."""

    def __init__(self, next_request: Callable[[], bytes | None]) -> None:
        self._next_request = next_request
        self._parser = httptools.HttpResponseParser(self)
        self._sent = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.took: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._go_on()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        if (status := self._parser.get_status_code()) != 200:
            self._end(BenchmarkError(f"A call was answered with status {status}"))
            return
        self.took.append(time.perf_counter() - self._sent)
        self._parser = httptools.HttpResponseParser(self)
        self._go_on()

    def connection_lost(self, _: Exception | None) -> None:
        self._end(BenchmarkError("The gateway closed a connection with a call in progress"))

    def _go_on(self) -> None:
        if (following := self._next_request()) is None:
            self._end(None)
        else:
            self._sent = time.perf_counter()
            self._transport.write(following)

    def _end(self, error: BenchmarkError | None) -> None:
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)
