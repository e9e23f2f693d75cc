"""The dashboard's sessions and tries to log in, in PostgreSQL: they outlive an outage of Redis. Used by sessions.py."""

import msgspec

from tidegate.storage.postgres import Postgres, queries

TRY_SECONDS = 60.0
"""For how long a wrong try counts."""
MAX_TRIES = 5
"""Wrong tries from one address within TRY_SECONDS."""
MAX_TRIES_OF_ALL = 60
"""Wrong tries from all addresses together."""


class StoredSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session, without its token."""

    key_hash: bytes
    """The digest of the secret that opened it."""
    expires_at: float
    """Unix seconds."""


class SessionStore:
    """Reads and writes sessions by the digest of their token. Every method raises PostgresUnavailable."""

    def __init__(self, postgres: Postgres) -> None:
        """`postgres` is shared with other stores."""
        self._postgres = postgres
        self._sql = queries("sessions")

    async def open(self, token_hash: bytes, session: StoredSession, now: float) -> None:
        """Store a session."""
        async with self._postgres.connection() as connection:
            await connection.execute(self._sql["open"], token_hash, session.key_hash, now, session.expires_at)

    async def find(self, token_hash: bytes) -> StoredSession | None:
        """Return the session, or None if there is none."""
        async with self._postgres.connection() as connection:
            row = await connection.fetchrow(self._sql["find"], token_hash)
        return None if row is None else StoredSession(key_hash=bytes(row["key_hash"]), expires_at=row["expires_at"])

    async def close(self, token_hash: bytes) -> None:
        """Remove a session."""
        async with self._postgres.connection() as connection:
            await connection.execute(self._sql["close"], token_hash)

    async def begin_try(self, address: str, now: float) -> int | None:
        """Count a try to log in and return its number; None where there were too many, so that it is not made."""
        async with self._postgres.connection() as connection, connection.transaction():
            await connection.execute(self._sql["lock_logins"])
            await connection.execute(self._sql["forget_logins"], now - TRY_SECONDS)
            counts = await connection.fetchrow(self._sql["count_logins"], address)
            if counts is None or counts["of_address"] >= MAX_TRIES or counts["of_all"] >= MAX_TRIES_OF_ALL:
                return None
            return int(await connection.fetchval(self._sql["note_login"], address, now))

    async def excuse_try(self, number: int) -> None:
        """Count a try no longer: its key was right."""
        async with self._postgres.connection() as connection:
            await connection.execute(self._sql["excuse_login"], number)
