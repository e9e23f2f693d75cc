"""The health of targets and credentials in Redis: the replicas share it there, and publish their changes.

`HealthRegistry` uses it in each process, `HealthReport` for the command line and the admin API.
"""

from collections.abc import Callable, Iterable

import msgspec

from tidegate.core.errors import RedisUnavailable
from tidegate.routing.health.circuit_breaker import BreakerState, Circuit
from tidegate.routing.health.credential_state import CredentialState
from tidegate.storage.names import RedisNames
from tidegate.storage.pubsub import Channel
from tidegate.storage.redis import RedisLink, Script


class HealthChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a target's or a credential's health, as one replica publishes it."""

    name: str
    """`breaker provider/model`, `credential provider/credential`, or `limit provider/credential/model`."""
    at: float
    """Unix seconds."""
    kind: str
    """The new state's name."""
    breaker: BreakerState | None = None
    credential: CredentialState | None = None


_decode = msgspec.json.Decoder(HealthChange)


class HealthStore:
    """Reads and writes the shared health. Each method is atomic and raises RedisUnavailable."""

    def __init__(self, link: RedisLink, *, prefix: str) -> None:
        self._link = link
        self._names = names = RedisNames(prefix)
        self._key, self._limits_key = names.of("standing"), names.of("standing:limits")
        self._publish_script, self._limit_script = Script("standing_tell"), Script("standing_limit")
        self._channel = Channel(link, names.of("standing:news"))

    async def start(self, on_change: Callable[[HealthChange], None], on_gap: Callable[[], None]) -> None:
        """Begin to receive other replicas' changes; `on_gap` is called where some may be lost. Raises nothing."""
        await self._channel.start(lambda data: on_change(_decode.decode(data)), on_gap)

    async def close(self) -> None:
        """Stop receiving changes."""
        await self._channel.close()

    async def load(self) -> list[HealthChange]:
        """Return the newest change of each name."""
        reply = await self._link.command("HVALS", self._key)
        return [change for data in reply if (change := _read(data)) is not None]

    async def publish(self, change: HealthChange) -> HealthChange | str:
        """Store a change and publish it; return the kind known before, or the newer change that prevails."""
        args = (change.name, repr(change.at), msgspec.json.encode(change), self._channel.name)
        stored, before = await self._link.run(self._publish_script, (self._key,), args)
        return before.decode() if stored else _decode.decode(before)

    async def publish_limit(self, lane: str, change: HealthChange, until: float) -> None:
        """Publish a rate limit, and store only when it ends."""
        args = (lane, repr(until), repr(change.at), msgspec.json.encode(change), self._channel.name)
        await self._link.run(self._limit_script, (self._limits_key,), args)

    async def rate_limits(self, now: float) -> dict[str, float]:
        """Return the rate-limited lanes, each with the Unix seconds at which its limit ends."""
        reply = await self._link.command("ZRANGEBYSCORE", self._limits_key, repr(now), "+inf", "WITHSCORES")
        pairs = zip(reply[::2], reply[1::2], strict=True)
        return {lane.decode(errors="replace"): float(until) for lane, until in pairs}

    async def end_rate_limits(self, lanes: Iterable[str]) -> None:
        """Remove the rate limits of these lanes."""
        if names := list(lanes):
            await self._link.command("ZREM", self._limits_key, *names)

    async def claim(self, what: str, seconds: float) -> bool:
        """Take a claim that one replica at a time may have; return False where another has it."""
        milliseconds = int(seconds * 1000)
        return await self._link.command("SET", self._claim_key(what), 1, "NX", "PX", milliseconds) is not None

    async def release_claim(self, what: str) -> None:
        """Release a claim, whichever replica has it."""
        await self._link.command("DEL", self._claim_key(what))

    def _claim_key(self, what: str) -> str:
        return self._names.of("standing:claim", what)


def _read(data: bytes) -> HealthChange | None:
    """Return a stored change; None for one that another version wrote in a form unknown here."""
    try:
        return _decode.decode(data)
    except msgspec.DecodeError:
        return None


def least_needed(changes: Iterable[HealthChange], *, besides: HealthChange) -> str:
    """Return the name of the target's change to forget first: a healthy one, else the oldest. Empty for none."""
    targets = (change for change in changes if change.breaker is not None and change is not besides)
    first = min(targets, key=lambda change: (change.kind != Circuit.CLOSED.value, change.at), default=None)
    return "" if first is None else first.name


async def load_all(store: HealthStore) -> list[HealthChange] | None:
    """Return the newest change of each name; None while Redis is unavailable."""
    try:
        return await store.load()
    except RedisUnavailable:
        return None
