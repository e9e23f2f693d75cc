"""Calls at a fixed rate, a quarter of them streams, whether or not those before are answered."""

import asyncio
import contextlib
import time
from collections.abc import Iterator

import aiohttp
import msgspec

from benchmarks.callers import Answer, Callers

_PATIENCE_SECONDS = 30.0


class Call(msgspec.Struct, frozen=True):
    """One call: when it began, on the monotonic clock, how long it took, and what came of it."""

    begun: float
    seconds: float
    answer: Answer | None
    """None: no answer within 30 s, or a broken connection."""

    @property
    def is_good(self) -> bool:
        """Whether it was answered whole."""
        return self.answer is not None and self.answer.status == 200 and self.answer.complete


async def steady_calls(callers: Callers, numbers: Iterator[int], rate: float, seconds: float) -> list[Call]:
    """Make `rate` calls a second; `numbers` make their questions new."""
    begun, calls = time.monotonic(), []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
        calls.append(asyncio.create_task(_one(callers, next(numbers))))
    return list(await asyncio.gather(*calls))


async def _one(callers: Callers, number: int) -> Call:
    begun = time.monotonic()
    answer = None
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            answer = await _asked(callers, number)
    return Call(begun, time.monotonic() - begun, answer)


async def _asked(callers: Callers, number: int) -> Answer:
    if number % 4 == 0:
        return await callers.stream(f"stream {number}")
    return await callers.whole(f"question {number}")
