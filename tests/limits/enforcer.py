"""Small upstreams that enforce a limit on requests, each in its own way, and report it in OpenAI's headers."""

import asyncio
import math

import msgspec

from tidegate.core.clock import Clock


class LimiterReply(msgspec.Struct, frozen=True, kw_only=True):
    """The response to one request."""

    ok: bool
    headers: dict[str, str]
    wait: float = 0.0


def _headers(limit: float, left: float, reset: float) -> dict[str, str]:
    return {
        "x-ratelimit-limit-requests": f"{limit:.0f}",
        "x-ratelimit-remaining-requests": str(math.floor(max(0.0, left))),
        "x-ratelimit-reset-requests": f"{math.ceil(reset * 1000)}ms",
    }


class TokenBucketLimiter:
    """A token bucket of `rpm` per minute, which begins with `level`."""

    def __init__(self, rpm: int, *, level: float, clock: Clock) -> None:
        self._rate, self._rpm, self._level, self._clock = rpm / 60, rpm, level, clock
        self._at = clock.monotonic()

    def send(self) -> LimiterReply:
        now = self._clock.monotonic()
        self._level, self._at = min(self._rpm, self._level + (now - self._at) * self._rate), now
        if self._level < 1:
            return LimiterReply(ok=False, headers={}, wait=(1 - self._level) / self._rate)
        self._level -= 1
        return LimiterReply(ok=True, headers=_headers(self._rpm, self._level, (self._rpm - self._level) / self._rate))


class WindowLimiter:
    """A limit per minute enforced in fixed windows of `span` seconds; its headers report the remainder correctly."""

    def __init__(self, rpm: int, *, span: float, clock: Clock) -> None:
        self._most, self._rpm, self._span, self._clock = round(rpm * span / 60), rpm, span, clock
        self._begun, self._used = clock.monotonic(), 0

    def send(self) -> LimiterReply:
        now = self._clock.monotonic()
        if now - self._begun >= self._span:
            self._begun += math.floor((now - self._begun) / self._span) * self._span
            self._used = 0
        left = self._begun + self._span - now
        if self._used >= self._most:
            return LimiterReply(ok=False, headers={}, wait=left)
        self._used += 1
        return LimiterReply(ok=True, headers=_headers(self._rpm, self._most - self._used, left))


class EnforcingUpstream:
    """An upstream with a latency that counts its responses."""

    def __init__(self, style: TokenBucketLimiter | WindowLimiter, *, latency: float) -> None:
        self._style, self._latency = style, latency
        self.taken = self.refused = 0

    async def send(self) -> LimiterReply:
        """Count a request on arrival, and answer it `latency` seconds later."""
        reply = self._style.send()
        self.taken += reply.ok
        self.refused += not reply.ok
        await asyncio.sleep(self._latency)
        return reply
