"""API keys in PostgreSQL, and the counter in Redis by which every process hears of a change."""

import os
from collections.abc import Collection

import msgspec

from tidegate.admission import key_format
from tidegate.connections.postgres import Postgres, queries
from tidegate.connections.redis import RedisLink
from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable
from tidegate.core.ids import IdSource, new_id
from tidegate.core.values import Caller

STALE_SECONDS = 60.0
"""How long a process may go on with what it knows of the keys when nobody could tell it of a change."""


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A key as a person may see it. Times are in Unix seconds."""

    id: str
    project: str
    name: str
    hint: str
    created_at: float
    expires_at: float | None
    revoked_at: float | None

    def state(self, now: float) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key just made: the only moment at which its token exists outside its owner's hands."""

    token: str
    record: KeyRecord
    announced: bool
    """Whether the processes were told; otherwise one that refused this very key before needs STALE_SECONDS."""

    def __repr__(self) -> str:
        return f"NewKey({self.record.id}, …{self.record.hint})"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a process remembers of a key."""

    caller: Caller
    revoked: bool = False


class KeyStore:
    """The keys. Every method raises PostgresUnavailable when PostgreSQL does not answer."""

    def __init__(
        self,
        postgres: Postgres,
        redis: RedisLink,
        *,
        clock: Clock,
        prefix: str,
        random_bytes: key_format.ByteSource = os.urandom,
        ids: IdSource = new_id,
    ) -> None:
        """`prefix` begins the names of Redis keys."""
        self._postgres = postgres
        self._redis = redis
        self._clock = clock
        self._epoch_key = f"{{{prefix}}}:keys:epoch"
        self._random_bytes = random_bytes
        self._ids = ids
        self._sql = queries("keys")

    async def create(self, *, project: str, name: str = "", expires_at: float | None = None) -> NewKey:
        """Make a key for `project`, which is made too where it is new; `expires_at` in Unix seconds."""
        token = key_format.generate(self._random_bytes)
        record = KeyRecord(
            id=self._ids("key_"),
            project=project,
            name=name,
            hint=key_format.hint(token),
            created_at=round(self._clock.now(), 6),  # PostgreSQL keeps microseconds
            expires_at=None if expires_at is None else round(expires_at, 6),
            revoked_at=None,
        )
        row = (record.id, project, name, key_format.digest(token), record.hint, record.created_at, record.expires_at)
        async with self._postgres.connection() as connection, connection.transaction():
            await connection.execute(self._sql["add_project"], project, record.created_at)
            await connection.execute(self._sql["add_key"], *row)
        return NewKey(token=token, record=record, announced=await self._announce())

    async def list(self, project: str | None = None) -> list[KeyRecord]:
        """The keys of `project`, or all, oldest first."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["list_keys"], project)
        return [KeyRecord(**row) for row in rows]

    async def revoke(self, key_id: str) -> bool | None:
        """End a key. None when there is no such key, else whether the processes were told of it.

        Told, each refuses the key within a second; untold, within STALE_SECONDS.
        """
        async with self._postgres.connection() as connection:
            found = await connection.fetchval(self._sql["revoke_key"], key_id, self._clock.now())
        return None if found is None else await self._announce()

    async def find(self, digests: Collection[bytes]) -> dict[bytes, Standing]:
        """Who is behind these digests; unknown ones are absent."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["find_keys"], list(digests))
        return {
            row["hash"]: Standing(
                caller=Caller(key_id=row["id"], project=row["project"], name=row["name"], expires_at=row["expires_at"]),
                revoked=row["revoked"],
            )
            for row in rows
        }

    async def any_exists(self) -> bool:
        """Whether a key was ever made."""
        async with self._postgres.connection() as connection:
            return bool(await connection.fetchval(self._sql["any_key"]))

    async def epoch(self) -> int:
        """A number that moves whenever a key changes. Raises RedisUnavailable, and nothing of PostgreSQL."""
        return int(await self._redis.command("GET", self._epoch_key) or 0)

    async def _announce(self) -> bool:
        try:
            await self._redis.command("INCR", self._epoch_key)
        except RedisUnavailable:
            return False
        return True
