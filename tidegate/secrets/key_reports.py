"""Which upstream keys the processes of all replicas use: reported to Redis by fingerprints, from which no key is found.

An old key may be deleted at its provider when no process reports it any more.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping

import msgspec

from tidegate.core.errors import RedisUnavailable
from tidegate.core.periodic import PeriodicTask
from tidegate.secrets.sources.reading import fingerprint
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import RedisLink
from tidegate.storage.script import Script

REPORT_SECONDS = 15.0
"""Between two reports of a process, at most."""
_FORGET_SECONDS = 30 * 86_400


class ReportedKeys(msgspec.Struct, frozen=True):
    """What all processes have reported."""

    now: float
    """Redis's time, in Unix seconds."""
    last_used: Mapping[str, float]
    """When each fingerprint was last reported, in the same time."""


class UpstreamKeyReports:
    """One process's reports, between `start` and `close`."""

    def __init__(
        self, redis: RedisLink, keys_in_use: Callable[[], Iterable[str]], *, prefix: str, refresh_seconds: float
    ) -> None:
        """`keys_in_use` returns the keys that new calls use. `refresh_seconds` is `secrets.refresh_seconds`."""
        self._uses = _Uses(redis, prefix)
        self._keys_in_use = keys_in_use
        self._fingerprints: dict[str, str] = {}
        self._task = PeriodicTask(
            "upstream-key-reports", self.report, every=report_seconds(refresh_seconds), wait_first=True,
            quiet=(RedisUnavailable,),
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<UpstreamKeyReports: {len(self._fingerprints)} keys>"

    async def start(self) -> None:
        """Begin to report."""
        await self._task.start()

    async def close(self) -> None:
        """Report no more."""
        await self._task.close()

    async def report(self) -> None:
        """Report the keys in use now. Raises RedisUnavailable."""
        keys = set(self._keys_in_use())
        for key in keys - self._fingerprints.keys():
            self._fingerprints[key] = await asyncio.to_thread(fingerprint, key)
        self._fingerprints = {key: self._fingerprints[key] for key in keys}
        if keys:
            await self._uses.exchange(self._fingerprints.values())


class _Uses:
    def __init__(self, redis: RedisLink, prefix: str) -> None:
        self._redis = redis
        self._name = RedisNames(prefix).of("upstream_keys")
        self._script = Script("upstream_key_uses")

    async def exchange(self, fingerprints: Iterable[str] = ()) -> ReportedKeys:
        now, *uses = await self._redis.run(self._script, [self._name], [_FORGET_SECONDS, *fingerprints])
        names = (name.decode(errors="replace") for name in uses[::2])
        return ReportedKeys(float(now), dict(zip(names, map(float, uses[1::2]), strict=True)))


def report_seconds(refresh_seconds: float) -> float:
    """Return the pause between two reports of a process."""
    return min(REPORT_SECONDS, refresh_seconds / 2)


async def read_reported_keys(redis: RedisLink, prefix: str) -> ReportedKeys:
    """Return what all processes have reported. Raises RedisUnavailable."""
    return await _Uses(redis, prefix).exchange()
