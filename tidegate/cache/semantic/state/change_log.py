"""The log of changes: durable in PostgreSQL, and spread to all processes by a stream in Redis."""

import contextlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tidegate.core.errors import RedisUnavailable
from tidegate.storage.names import RedisNames
from tidegate.storage.postgres import Postgres, queries
from tidegate.storage.redis import RedisLink

_STREAM_ENTRIES: Final = 1000
_STREAM_SECONDS: Final = 60
"""Texts stay no longer in the stream once nothing is written."""
READ_AGAIN: Final = 0
"""In the place of a first number: something of the scope was deleted, and it has to be read again."""
_READ_AT_ONCE: Final = 500


class NumberedChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of one scope that follow each other, as they are stored."""

    scope: str
    first: int
    """The number of the first change, or `READ_AGAIN`."""
    changes: tuple[str, ...]


class LoggedDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided about one question: a row of the table `semantic_decisions`, in its order."""

    request_id: str
    at: float
    """Unix seconds."""
    project: str
    scope: str
    mode: str
    action: str
    """`direct`, `verified`, `alias` or `ask`."""
    answer: str | None = None
    score: float | None = None
    """The probability that the answer was right."""
    risk: float | None = None
    audit_share: float | None = None
    audited: bool = False
    verdict: bool | None = None
    """Whether the judge found the answer right; None if it was not asked, or did not say."""
    verified: bool = False
    """Whether the verifier was asked before."""
    compared: bool = False
    saved_nanos: int = 0
    question: str | None = None
    cached_question: str | None = None
    end_user: str | None = None
    """The digest of the end user."""


class ReportedDecision(msgspec.Struct, frozen=True, kw_only=True):
    """The decision whose answer was reported as wrong."""

    request_id: str
    scope: str
    question: str
    verdict: bool | None
    """What the judge had found."""


class ChangeLog:
    """Write and read changes. The methods raise PostgresUnavailable, those that listen RedisUnavailable."""

    def __init__(self, postgres: Postgres, link: RedisLink, *, prefix: str) -> None:
        """`prefix` begins the names of Redis keys."""
        self._postgres = postgres
        self._link = link
        self._sql = queries("semantic")
        self._stream = RedisNames(prefix).of("semantic_changes")
        self._last_entry: bytes | str = ""

    async def append(
        self,
        *,
        project: str,
        scope: str,
        changes: Sequence[str],
        end_user: str | None,
        decision: LoggedDecision | None,
    ) -> NumberedChanges:
        """Write changes and a decision in one transaction; return their numbers. Then `spread` them.

        `end_user` is the digest of the end user whose question it was.
        """
        async with self._postgres.connection() as connection, connection.transaction():
            first = 1
            if changes:
                last = await connection.fetchval(self._sql["reserve"], scope, project, len(changes))
                first = int(last) - len(changes) + 1
                await connection.execute(self._sql["add"], scope, first, list(changes), end_user)
            if decision is not None:
                await connection.execute(self._sql["decide"], *msgspec.structs.astuple(decision))
        return NumberedChanges(scope=scope, first=first, changes=tuple(changes))

    async def spread(self, numbered: NumberedChanges) -> None:
        """Tell the other processes what was written."""
        if numbered.changes:
            with contextlib.suppress(RedisUnavailable):  # the others notice the gap in the numbers, and read them here
                await self._send(numbered)

    async def tell_deleted(self, scopes: Sequence[str]) -> None:
        """Let every process read scopes again, of which something was deleted. Raises RedisUnavailable."""
        for scope in scopes:
            await self._send(NumberedChanges(scope=scope, first=READ_AGAIN, changes=()))

    async def _send(self, numbered: NumberedChanges) -> None:
        entry = msgspec.json.encode(numbered)
        await self._link.command("XADD", self._stream, "MAXLEN", "~", _STREAM_ENTRIES, "*", "c", entry)
        await self._link.command("EXPIRE", self._stream, _STREAM_SECONDS)

    async def read(self, scope: str, *, after: int, limit: int) -> tuple[int, list[tuple[int, str]]]:
        """Return the last number of a scope, and its newest changes after a number with theirs, in order."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["read"], scope, after, limit)
        last = int(rows[0]["last_number"]) if rows else 0
        return last, [(int(row["number"]), row["change"]) for row in rows if row["number"] is not None]

    async def expire(self, *, changes_seconds: float, decisions_seconds: float) -> None:
        """Delete what is older: a phrasing is of no use once its answer has expired."""
        async with self._postgres.connection() as connection:
            await connection.execute(self._sql["expire"], changes_seconds, decisions_seconds)

    async def report(self, project: str, answer: str, request_id: str | None) -> ReportedDecision | None:
        """Note that an answer was wrong; return the decision, None if there is none that was not reported yet."""
        async with self._postgres.connection() as connection:
            row = await connection.fetchrow(self._sql["report"], project, answer, request_id)
        return ReportedDecision(**dict(row)) if row is not None else None

    async def heard(self) -> list[NumberedChanges]:
        """Return what was written by any process since the last look."""
        if not self._last_entry:
            newest = await self._link.command("XREVRANGE", self._stream, "+", "-", "COUNT", 1)
            self._last_entry = newest[0][0] if newest else "0"
            return []
        reply: Any = await self._link.command(
            "XREAD", "COUNT", _READ_AT_ONCE, "STREAMS", self._stream, self._last_entry
        )
        entries = _entries(reply)
        if entries:
            self._last_entry = entries[-1][0]
        return [msgspec.json.decode(fields[1], type=NumberedChanges) for _, fields in entries]


def _entries(reply: Any) -> list[Any]:
    """Return the entries of one stream, as RESP 2 or 3 replies them; none if there are none."""
    if not reply:
        return []
    return list(next(iter(reply.values()))) if isinstance(reply, dict) else list(reply[0][1])
