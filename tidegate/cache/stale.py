"""Stale answers, for when no target can answer. They are read only then, so other calls pay nothing for them."""

import structlog

from tidegate.cache.stored import AnswerCodec, StoredAnswer
from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable
from tidegate.storage.redis import RedisLink

_log = structlog.get_logger("cache")


class StaleAnswers:
    """Find stale answers by the exact fingerprint."""

    def __init__(self, link: RedisLink, codec: AnswerCodec, clock: Clock, *, prefix: str) -> None:
        """`prefix` begins the names of Redis keys."""
        self._link = link
        self._codec = codec
        self._clock = clock
        self._prefix = f"{{{prefix}}}:answer:"

    async def find(self, fingerprint: str, *, stale_for: float) -> StoredAnswer | None:
        """Return the stored answer if it is fresh, or stale for at most `stale_for` seconds; one round trip.

        None also while Redis is down: the call has failed already, and its own error says more.
        """
        if not fingerprint:
            return None
        try:
            fields = await self._link.command("HMGET", self._prefix + fingerprint, "at", "until", "head", "body")
        except RedisUnavailable:
            _log.warning("no stale answer: redis unavailable")
            return None
        at, until, head, body = fields
        if at is None or head is None or body is None:
            return None
        stored_at = float(at)
        fresh_until = float(until) if until is not None else stored_at
        if self._clock.now() - fresh_until > stale_for:
            return None
        return self._codec.unpack(head, body, stored_at, fresh_until=fresh_until)
