"""Enforces rate limits, with OpenAI's headers and error messages."""

import math

from tidegate.core.clock import Clock
from tidegate.simulator.refusal import Refusal

ANY_REQUESTS, ANY_TOKENS = 1_000_000, 1_000_000_000
"""Limits per minute that the headers state where none is enforced; they slow no caller down."""

_READ_MORE = "Visit https://platform.openai.com/account/rate-limits to learn more."


def go_duration(seconds: float) -> str:
    """Return a duration as Go writes it: `0s`, `644ms`, `8.64s`, `7m12s`, `1h0m30s`."""
    milliseconds = math.ceil(round(seconds * 1000, 3))
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:g}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


class MinuteBucket:
    """An amount per minute that is refilled continuously."""

    def __init__(self, limit: int, now: float) -> None:
        """`limit` is the amount per minute; the bucket starts full."""
        self.limit = limit
        self._level = float(limit)
        self._at = now

    def level(self, now: float) -> float:
        """Return the amount that may be taken now."""
        self._level = min(float(self.limit), self._level + (now - self._at) * self.limit / 60)
        self._at = now
        return self._level

    def wait(self, amount: int, now: float) -> float:
        """Return the seconds until `amount` may be taken; 0 if now."""
        return max(0.0, (amount - self.level(now)) * 60 / self.limit)

    def take(self, amount: int, now: float) -> None:
        """Take `amount`, which the caller has checked to be available."""
        self._level = self.level(now) - amount

    def until_full(self, now: float) -> float:
        """Return the seconds until the bucket is full."""
        return (self.limit - self.level(now)) * 60 / self.limit


class SimulatedRateLimits:
    """Requests and tokens per minute; 0 means no limit."""

    def __init__(self, rpm: int, tpm: int, clock: Clock) -> None:
        """Both buckets start full."""
        self._clock = clock
        now = clock.monotonic()
        self._requests = MinuteBucket(rpm or ANY_REQUESTS, now)
        self._tokens = MinuteBucket(tpm or ANY_TOKENS, now)
        self._limits = [
            (bucket, kind, words)
            for bucket, kind, words, limit in (
                (self._requests, "requests", "requests per min (RPM)", rpm),
                (self._tokens, "tokens", "tokens per min (TPM)", tpm),
            )
            if limit
        ]

    def admit(self, model: str, tokens: int) -> None:
        """Take one request and `tokens` tokens, or take nothing and raise Refusal."""
        now = self._clock.monotonic()
        for bucket, kind, words in self._limits:
            place = f"for {model} in organization org-simulator on {words}"
            _check(bucket, kind, place, 1 if kind == "requests" else tokens, now)
        for bucket, kind, _ in self._limits:
            bucket.take(1 if kind == "requests" else tokens, now)

    def headers(self) -> dict[str, str]:
        """Return the present `x-ratelimit-*` headers."""
        now = self._clock.monotonic()
        headers = {}
        for kind, bucket in (("requests", self._requests), ("tokens", self._tokens)):
            headers[f"x-ratelimit-limit-{kind}"] = str(bucket.limit)
            headers[f"x-ratelimit-remaining-{kind}"] = str(max(0, math.floor(bucket.level(now))))
            headers[f"x-ratelimit-reset-{kind}"] = go_duration(bucket.until_full(now))
        return headers


def _check(bucket: MinuteBucket, kind: str, place: str, amount: int, now: float) -> None:
    wait = bucket.wait(amount, now)
    if wait <= 0:
        return
    if amount > bucket.limit:
        message = (
            f"Request too large {place}: Limit {bucket.limit}, Requested {amount}. "
            f"The input or output tokens must be reduced in order to run successfully. {_READ_MORE}"
        )
        raise Refusal(429, message, kind=kind, code="rate_limit_exceeded")
    used = bucket.limit - math.floor(bucket.level(now))
    message = (
        f"Rate limit reached {place}: Limit {bucket.limit}, Used {used}, Requested {amount}. "
        f"Please try again in {go_duration(wait)}. {_READ_MORE}"
    )
    waits = {"retry-after": str(max(1, math.ceil(wait))), "retry-after-ms": str(math.ceil(wait * 1000))}
    raise Refusal(429, message, kind=kind, code="rate_limit_exceeded", headers=waits)
