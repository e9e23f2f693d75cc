"""API keys in PostgreSQL. Every change advances the epoch in Redis, so that all processes refresh their caches.

The admin API and the CLI create and change keys here; `ApiKeyCache` reads their status.
"""

import os
from collections.abc import Collection, Mapping

import msgspec
from msgspec import UNSET

from tidegate.auth import key_format
from tidegate.auth.epoch import Epoch
from tidegate.auth.grants import GrantRow, KeyChange, limits_of, priority_of
from tidegate.auth.tag_budget_store import read_tag_budgets
from tidegate.core.clock import Clock
from tidegate.core.errors import InvalidParameter
from tidegate.core.ids import IdSource, new_id
from tidegate.core.tags import Tag
from tidegate.core.values import Caller, Limits, Priority
from tidegate.storage.postgres import Connection, Postgres, queries
from tidegate.storage.redis import RedisLink

STALE_SECONDS = 60.0
"""The longest time for which a process serves keys from its cache without a refresh, if a change was not announced."""

_NO_GRANTS = KeyChange()


class ReplacedSecret(msgspec.Struct, frozen=True, kw_only=True):
    """The secret that a rotation replaced, as operators see it. Times are in Unix seconds."""

    hint: str
    stops_at: float
    """Calls with it are rejected from then on."""
    last_used_at: float | None
    """When it was last sent, to within a minute, also if it was rejected by then."""


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A key as operators see it, without its secret. Times are in Unix seconds."""

    id: str
    project: str
    name: str
    hint: str
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    admin: bool = False
    read_only: bool = False
    """Whether, as an admin key, it may change nothing."""
    limits: Limits = Limits()
    """The key's own limits. Those of its project apply in addition."""
    priority: Priority | None = None
    """None: the project's priority applies."""
    models: tuple[str, ...] = ()
    """The models it may use; empty for all."""
    last_used_at: float | None = None
    """When its present secret was last used, to within a minute."""
    replaced: ReplacedSecret | None = None
    """The secret that was replaced last, if there is any."""

    def state(self, now: float) -> str:
        """Return `active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was just created. Its token is not stored anywhere: this is the only time that it can be shown."""

    token: str
    record: KeyRecord
    announced: bool
    """Whether the processes were notified. If not, one that has rejected this key accepts it after STALE_SECONDS."""

    def __repr__(self) -> str:
        return f"NewKey({self.record.id}, …{self.record.hint})"


class KeyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the cache of a process stores about a key."""

    caller: Caller
    """It expires with the secret."""
    revoked: bool = False
    stops_at: float | None = None
    """When the overlap ends, in Unix seconds, if the secret was replaced."""


class _KeyRequest(msgspec.Struct, frozen=True):
    project: str
    name: str
    expires_at: float | None
    admin: bool
    grants: KeyChange
    read_only: bool = False


class KeyStore:
    """Create, change and read keys. Every method raises PostgresUnavailable when PostgreSQL does not answer."""

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
        self._clock = clock
        self._epoch = Epoch(redis, prefix)
        self._random_bytes = random_bytes
        self._ids = ids
        self._sql = queries("keys")

    async def create(
        self,
        *,
        project: str,
        name: str = "",
        expires_at: float | None = None,
        admin: bool = False,
        read_only: bool = False,
        grants: KeyChange = _NO_GRANTS,
    ) -> NewKey:
        """Create a key for `project`, and the project if it is new; `expires_at` in Unix seconds.

        Of `grants` the limits, the priority and the models are used. Raises InvalidParameter for a key that only
        reads and is no admin key.
        """
        if read_only and not admin:
            raise InvalidParameter("Only an admin key can be read-only; no key was made.", param="read_only")
        request = _KeyRequest(project, name, expires_at, admin, grants, read_only)
        async with self._postgres.connection() as connection, connection.transaction():
            token, record = await self._add(connection, request)
        return NewKey(token=token, record=record, announced=await self._epoch.advance())

    async def create_first(
        self, *, project: str, name: str = "", expires_at: float | None = None, grants: KeyChange = _NO_GRANTS
    ) -> NewKey | None:
        """Create a key as `create` does, unless the project has or had one: then return None.

        Of several processes that do this at once, one creates a key.
        """
        request = _KeyRequest(project, name, expires_at, admin=False, grants=grants)
        async with self._postgres.connection() as connection, connection.transaction():
            await connection.execute(self._sql["add_project"], project, self._clock.now())
            await connection.execute(self._sql["lock_project"], project)
            if await connection.fetchval(self._sql["had_key"], project):
                return None
            token, record = await self._add(connection, request)
        return NewKey(token=token, record=record, announced=await self._epoch.advance())

    async def _add(self, connection: Connection, request: "_KeyRequest") -> tuple[str, KeyRecord]:
        """Store a new key; return it and its record."""
        token = key_format.generate(self._random_bytes)
        key_id, created_at = self._ids("key_"), round(self._clock.now(), 6)  # PostgreSQL keeps microseconds
        values = (
            key_id,
            request.project,
            request.name,
            key_format.digest(token),
            key_format.hint(token),
            created_at,
            request.expires_at,
            request.admin,
            request.read_only,
        )
        await connection.execute(self._sql["add_project"], request.project, created_at)
        await connection.execute(self._sql["add_key"], *values, request.grants.columns().decode())
        (row,) = await connection.fetch(self._sql["get_key"], key_id)
        return token, _record(row)

    async def list(
        self, project: str | None = None, *, after: str | None = None, limit: int | None = None
    ) -> list[KeyRecord]:
        """Return the keys of `project`, or all, oldest first: those after the key `after`, at most `limit`."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["list_keys"], project, after, limit)
        return [_record(row) for row in rows]

    async def get(self, key_id: str) -> KeyRecord | None:
        """Return one key, or None if there is none with this id."""
        async with self._postgres.connection() as connection:
            row = await connection.fetchrow(self._sql["get_key"], key_id)
        return None if row is None else _record(row)

    async def update(self, key_id: str, change: KeyChange) -> bool | None:
        """Change a key. Return None if there is no such key, else whether the processes were notified."""
        async with self._postgres.connection() as connection, connection.transaction():
            if await connection.fetchval(self._sql["update_key"], key_id, change.columns().decode()) is None:
                return None
            if change.name is not UNSET:
                await connection.execute(self._sql["rename_key"], key_id, change.name)
            if change.expires_at is not UNSET:
                await connection.execute(self._sql["expire_key"], key_id, change.expires_at)
        return await self._epoch.advance()

    async def revoke(self, key_id: str) -> bool | None:
        """Revoke a key. Return None if there is no such key, else whether the processes were notified.

        If they were, each rejects the key within a second; if not, within STALE_SECONDS.
        """
        async with self._postgres.connection() as connection:
            changed_id = await connection.fetchval(self._sql["revoke_key"], key_id, self._clock.now())
        return None if changed_id is None else await self._epoch.advance()

    async def read_statuses(self, digests: Collection[bytes]) -> dict[bytes, KeyStatus]:
        """Return the status of the keys with these digests; unknown digests are left out."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["find_keys"], list(digests))
            tagged = {row["project"] for row in rows if row["has_tag_budgets"]}
            budgets = await read_tag_budgets(connection, tagged) if tagged else {}
        return {
            row["hash"]: KeyStatus(
                caller=_caller(row, budgets.get(row["project"], {})), revoked=row["revoked"], stops_at=row["stops_at"]
            )
            for row in rows
        }

    async def digest_of(self, key_id: str) -> bytes | None:
        """Return the digest of the key with this id, or None if there is none."""
        async with self._postgres.connection() as connection:
            digest = await connection.fetchval(self._sql["digest_of"], key_id)
        return None if digest is None else bytes(digest)

    async def any_exists(self) -> bool:
        """Return whether any key was ever created."""
        async with self._postgres.connection() as connection:
            return bool(await connection.fetchval(self._sql["any_key"]))

    async def epoch(self) -> int:
        """Return a number that grows whenever a key or a project changes. Raises RedisUnavailable only."""
        return await self._epoch.read()


def _record(row: GrantRow) -> KeyRecord:
    return KeyRecord(
        id=row["id"],
        project=row["project"],
        name=row["name"],
        hint=row["hint"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        admin=row["admin"],
        read_only=row["read_only"],
        limits=limits_of(row),
        priority=priority_of(row),
        models=tuple(row["models"] or ()),
        last_used_at=row["last_used_at"],
        replaced=None if row["replaced_hint"] is None else _replaced(row),
    )


def _replaced(row: GrantRow) -> ReplacedSecret:
    return ReplacedSecret(
        hint=row["replaced_hint"], stops_at=row["replaced_stops_at"], last_used_at=row["replaced_used_at"]
    )


def _caller(row: GrantRow, tag_limits: Mapping[Tag, Limits]) -> Caller:
    return Caller(
        key_id=row["id"],
        project=row["project"],
        name=row["name"],
        expires_at=row["expires_at"],
        hint=row["hint"],
        admin=row["admin"],
        read_only=row["read_only"],
        limits=limits_of(row),
        project_limits=limits_of(row, "project_"),
        user_limits=limits_of(row, "user_"),
        tag_limits=tag_limits,
        priority=priority_of(row) or Priority.NORMAL,
        models=frozenset(row["models"] or ()),
    )
