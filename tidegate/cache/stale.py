"""Stale answers, for when no target can answer. They are read only then, so other calls pay nothing for them."""

from tidegate.cache.stored import AnswerCodec, StoredAnswer, UnreadableAnswer
from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import RedisLink


class StaleAnswers:
    """Find stale answers by the exact fingerprint."""

    def __init__(self, link: RedisLink, codec: AnswerCodec, clock: Clock, *, prefix: str) -> None:
        """`prefix` begins the names of Redis keys."""
        self._link = link
        self._codec = codec
        self._clock = clock
        self._begin_key = RedisNames(prefix).start("answer")

    async def find(self, fingerprint: str, *, stale_for: float) -> StoredAnswer | None:
        """Return the stored answer if it is fresh, or stale for at most `stale_for` seconds; one round trip.

        None also while Redis is down: the call has failed already, and its own error says more.
        """
        if not fingerprint:
            return None
        try:
            return await self._read(self._begin_key + fingerprint, stale_for)
        except RedisUnavailable:
            return None

    async def _read(self, key: str, stale_for: float) -> StoredAnswer | None:
        at, until, head, body = await self._link.command("HMGET", key, "at", "until", "head", "body")
        if at is None or head is None or body is None:
            return None
        try:
            stored_at = float(at)
            fresh_until = float(until) if until is not None else stored_at
            if self._clock.now() - fresh_until > stale_for:
                return None
            return self._codec.unpack(head, body, stored_at, fresh_until=fresh_until)
        except (ValueError, UnreadableAnswer):
            await self._link.repair(key)
            return None
