"""Answers that are no longer fresh, for when nobody can be asked: read only then, so that they cost nothing before."""

import structlog

from tidegate.cache.stored import AnswerCodec, StoredAnswer
from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable
from tidegate.storage.redis import RedisLink

_log = structlog.get_logger("cache")


class StaleAnswers:
    """Finds them, by the exact fingerprint."""

    def __init__(self, link: RedisLink, codec: AnswerCodec, clock: Clock, *, prefix: str) -> None:
        """`prefix` begins the names of Redis keys."""
        self._link = link
        self._codec = codec
        self._clock = clock
        self._prefix = f"{{{prefix}}}:answer:"

    async def find(self, fingerprint: str, *, stale_for: float) -> StoredAnswer | None:
        """What is stored, fresh or not for longer than `stale_for` seconds; one round trip.

        None where there is nothing, and while Redis cannot tell: this is the way down from a failure already.
        """
        if not fingerprint:
            return None
        try:
            found = await self._link.command("HMGET", self._prefix + fingerprint, "at", "until", "head", "body")
        except RedisUnavailable:
            _log.warning("no stale answer: redis unavailable")
            return None
        at, until, head, body = found
        if at is None or head is None or body is None:
            return None
        stored_at = float(at)
        fresh_until = float(until) if until is not None else stored_at
        if self._clock.now() - fresh_until > stale_for:
            return None
        return self._codec.unpack(head, body, stored_at, fresh_until=fresh_until)
