"""The audit table in PostgreSQL. Lines are added and read; the database refuses to change or delete them."""

from typing import Literal

import msgspec

from tidegate.audit.act import AuditAct, AuditActor, AuditOutcome
from tidegate.storage.postgres import Postgres, queries


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line: an act and how it ended."""

    id: int
    at: float
    """Unix seconds."""
    actor: AuditActor
    act: AuditAct
    outcome: AuditOutcome
    error: str | None = None
    """The error's name, if it was refused or failed."""
    result: str | None = None
    """The id of what was made."""


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines to read; None is no condition."""

    actor: str | None = None
    """An actor's id or name."""
    action: str | None = None
    """An action, or its first part: `keys` for all acts on keys."""
    about: str | None = None
    """The value of a parameter, or the id of what was made."""
    outcome: AuditOutcome | None = None
    since: float | None = None
    """Unix seconds."""
    until: float | None = None
    """Unix seconds, exclusive."""
    before: int | None = None
    """Only lines with a smaller id: the next page."""
    limit: int = 100


class AuditStore:
    """Adds and reads audit lines. Every method raises PostgresUnavailable when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._sql = queries("audit")

    async def begin(self, actor: AuditActor, act: AuditAct, at: float) -> int:
        """Write that an act begins at `at`, in Unix seconds; return the line's id."""
        parameters = msgspec.json.encode(act.parameters).decode()
        async with self._postgres.connection() as connection:
            line = await connection.fetchval(
                self._sql["begin"], at, actor.kind, actor.id, actor.name, actor.address, act.action, parameters,
                act.reads_conversations,
            )  # fmt: skip
        return int(line)

    async def end(self, line: int, outcome: AuditOutcome, *, error: str | None, result: str | None, at: float) -> None:
        """Write how the act of a line ended."""
        async with self._postgres.connection() as connection:
            await connection.execute(self._sql["end"], line, at, outcome.value, error, result)

    async def read(self, wanted: AuditFilter) -> list[AuditEntry]:
        """Return lines, newest first."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(
                self._sql["read"], wanted.actor, wanted.action, wanted.about, wanted.outcome, wanted.since,
                wanted.until, wanted.before, wanted.limit,
            )  # fmt: skip
        return [
            AuditEntry(
                id=row["id"],
                at=row["at"],
                actor=AuditActor(kind=_kind(row["kind"]), id=row["actor"], name=row["name"], address=row["address"]),
                act=AuditAct(
                    action=row["action"],
                    parameters=msgspec.json.decode(row["parameters"], type=dict[str, str]),
                    reads_conversations=row["reads_conversations"],
                ),
                outcome=AuditOutcome(row["outcome"]),
                error=row["error"],
                result=row["result"],
            )
            for row in rows
        ]


def _kind(text: str) -> Literal["key", "cli"]:
    return "key" if text == "key" else "cli"
