"""How targets and credentials stand, in Redis: where replicas keep it, and hear of each other's changes."""

from collections.abc import Callable

import msgspec

from tidegate.core.errors import RedisUnavailable
from tidegate.routing.health.circuit_breaker import BreakerState
from tidegate.routing.health.credential_state import CredentialState
from tidegate.storage.pubsub import Channel
from tidegate.storage.redis import RedisLink, Script


class HealthChange(msgspec.Struct, frozen=True, kw_only=True):
    """What one replica tells the others of a target or a credential."""

    name: str
    """`breaker provider/model`, `credential provider/credential`, or `limit provider/credential/model`."""
    at: float
    """Unix seconds."""
    kind: str
    """The state in a word."""
    breaker: BreakerState | None = None
    credential: CredentialState | None = None


_decode = msgspec.json.Decoder(HealthChange)


class HealthStore:
    """Each method is one atomic step and raises RedisUnavailable."""

    def __init__(self, link: RedisLink, *, prefix: str) -> None:
        self._link = link
        self._key = f"{{{prefix}}}:standing"
        self._limits_key = f"{self._key}:limits"
        self._publish_script, self._limit_script = Script("standing_tell"), Script("standing_limit")
        self._channel = Channel(link, f"{self._key}:news")

    async def start(self, on_change: Callable[[HealthChange], None], on_gap: Callable[[], None]) -> None:
        """Begin to hear other replicas; `missed` is called where some may not have been heard. Raises nothing."""
        await self._channel.start(lambda data: on_change(_decode.decode(data)), on_gap)

    async def close(self) -> None:
        """Stop hearing."""
        await self._channel.close()

    async def load(self) -> list[HealthChange]:
        """All that is known."""
        reply = await self._link.command("HVALS", self._key)
        return [told for data in reply if (told := _read(data)) is not None]

    async def publish(self, change: HealthChange) -> HealthChange | str:
        """Keep it and tell all; the kind that was known before, or the newer word that stands against it."""
        args = (change.name, repr(change.at), msgspec.json.encode(change), self._channel.name)
        kept, before = await self._link.run(self._publish_script, (self._key,), args)
        return before.decode() if kept else _decode.decode(before)

    async def publish_limit(self, lane: str, change: HealthChange, until: float) -> None:
        """Tell all of a rate limit, and keep only until when it is."""
        args = (lane, repr(until), repr(change.at), msgspec.json.encode(change), self._channel.name)
        await self._link.run(self._limit_script, (self._limits_key,), args)

    async def rate_limits(self, now: float) -> dict[str, float]:
        """The lanes that are limited, and until when, Unix seconds."""
        reply = await self._link.command("ZRANGEBYSCORE", self._limits_key, repr(now), "+inf", "WITHSCORES")
        pairs = zip(reply[::2], reply[1::2], strict=True)
        return {lane.decode(): float(until) for lane, until in pairs}

    async def claim(self, what: str, seconds: float) -> bool:
        """Take what only one replica at a time may do; False where another has it."""
        return (
            await self._link.command("SET", f"{self._key}:claim:{what}", 1, "NX", "PX", int(seconds * 1000)) is not None
        )

    async def release_claim(self, what: str) -> None:
        """Whoever has it, it is free."""
        await self._link.command("DEL", self._claim_key(what))

    def _claim_key(self, what: str) -> str:
        return f"{self._key}:claim:{what}"


def _read(data: bytes) -> HealthChange | None:
    """What another version wrote may not be understood; it is as if it had not been told."""
    try:
        return _decode.decode(data)
    except msgspec.DecodeError:
        return None


async def load_all(store: HealthStore) -> list[HealthChange] | None:
    """All that is known; None while Redis is away."""
    try:
        return await store.load()
    except RedisUnavailable:
        return None
