"""Rotation of API keys: give a key a new secret, and let the old one work until the end of an overlap.

The id, the limits, the budgets and the history belong to the key, so both secrets share them. At most two secrets of a
key are valid at a time. The admin API and the CLI rotate keys here; `ApiKeyCache` learns of it by the epoch.
"""

import os

import msgspec

from tidegate.auth import key_format
from tidegate.auth.epoch import Epoch
from tidegate.auth.key_store import KeyRecord, KeyStore, NewKey
from tidegate.core.clock import Clock
from tidegate.core.errors import ApiKeyNotFound, RotationRefused
from tidegate.storage.postgres import Connection, Postgres, queries
from tidegate.storage.redis import RedisLink

MAX_OVERLAP_SECONDS = 366 * 86_400
"""The longest overlap. A secret that shall work for longer need not be replaced."""


class KeyMatch(msgspec.Struct, frozen=True, kw_only=True):
    """The key to which a secret belongs."""

    record: KeyRecord
    stops_at: float | None = None
    """If the secret was replaced: when it stops or stopped, in Unix seconds."""


class _LockedKey(msgspec.Struct, frozen=True):
    id: str
    digest: bytes
    hint: str


class KeyRotation:
    """Rotate keys. Every method raises PostgresUnavailable when PostgreSQL does not answer.

    `rotate`, `undo` and `finish` raise ApiKeyNotFound and RotationRefused; the key has then not changed.
    """

    def __init__(
        self,
        postgres: Postgres,
        redis: RedisLink,
        keys: KeyStore,
        *,
        clock: Clock,
        prefix: str,
        random_bytes: key_format.ByteSource = os.urandom,
    ) -> None:
        """`prefix` begins the names of Redis keys."""
        self._postgres = postgres
        self._epoch = Epoch(redis, prefix)
        self._keys = keys
        self._clock = clock
        self._random_bytes = random_bytes
        self._sql = queries("key_rotation")

    async def rotate(self, key_id: str, *, overlap: float) -> NewKey:
        """Give the key a new secret. The old one is valid for `overlap` more seconds; with 0 it stops at once.

        While an earlier overlap lasts, only an overlap of 0 is accepted. It stops both older secrets.
        """
        token, now = key_format.generate(self._random_bytes), self._clock.now()
        async with self._postgres.connection() as connection, connection.transaction():
            key = await self._lock(connection, key_id, now)
            if overlap > 0 and await connection.fetchrow(self._sql["valid_replaced"], key_id, now) is not None:
                raise RotationRefused(
                    f"The key {key_id} was not rotated, because its last rotation is in progress: two of its secrets "
                    "are valid. Finish or undo that rotation first, or rotate with an overlap of 0, which stops both."
                )
            await connection.execute(self._sql["stop_replaced"], key_id, now)
            await connection.execute(self._sql["add_replaced"], key.digest, key_id, key.hint, now, now + overlap)
            digest, hint = key_format.digest(token), key_format.hint(token)
            await connection.execute(self._sql["set_secret"], key_id, digest, hint)
        announced = await self._epoch.advance()
        return NewKey(token=token, record=await self._record(key_id), announced=announced)

    async def undo(self, key_id: str) -> bool:
        """Make the old secret the key's only one again, and stop the new one; return whether processes were notified.

        Refused once the old secret has stopped.
        """
        now = self._clock.now()
        async with self._postgres.connection() as connection, connection.transaction():
            key = await self._lock(connection, key_id, now)
            old = await connection.fetchrow(self._sql["valid_replaced"], key_id, now)
            if old is None:
                raise _not_in_progress(key_id)
            await connection.execute(self._sql["remove_replaced"], old["hash"])
            await connection.execute(self._sql["set_secret"], key_id, old["hash"], old["hint"])
            await connection.execute(self._sql["add_replaced"], key.digest, key_id, key.hint, now, now)
        return await self._epoch.advance()

    async def finish(self, key_id: str) -> bool:
        """Stop the old secret before the end of its overlap; return whether the processes were notified."""
        now = self._clock.now()
        async with self._postgres.connection() as connection, connection.transaction():
            await self._lock(connection, key_id, now)
            if await connection.fetchrow(self._sql["valid_replaced"], key_id, now) is None:
                raise _not_in_progress(key_id)
            await connection.execute(self._sql["stop_replaced"], key_id, now)
        return await self._epoch.advance()

    async def find(self, token: str) -> KeyMatch | None:
        """Return the key to which a secret belongs, also if the secret is no longer valid; None if it is unknown."""
        digest = key_format.digest(token)
        status = (await self._keys.read_statuses([digest])).get(digest)
        if status is None:
            return None
        return KeyMatch(record=await self._record(status.caller.key_id), stops_at=status.stops_at)

    async def _lock(self, connection: Connection, key_id: str, now: float) -> _LockedKey:
        """Return the key and let other rotations of it wait. Raises ApiKeyNotFound, RotationRefused."""
        row = await connection.fetchrow(self._sql["lock_key"], key_id, now)
        if row is None:
            raise ApiKeyNotFound(f"There is no key {key_id!r}; nothing was changed. `tidegate keys list` lists them.")
        if row["revoked"] or row["expired"]:
            state = "is revoked" if row["revoked"] else "has expired"
            raise RotationRefused(f"The key {key_id} {state}, so none of its secrets is valid; nothing was changed.")
        return _LockedKey(key_id, bytes(row["hash"]), row["hint"])

    async def _record(self, key_id: str) -> KeyRecord:
        record = await self._keys.get(key_id)
        if record is None:
            raise ApiKeyNotFound
        return record


def _not_in_progress(key_id: str) -> RotationRefused:
    return RotationRefused(
        f"No rotation of the key {key_id} is in progress, so only its present secret is valid; nothing was changed."
    )
