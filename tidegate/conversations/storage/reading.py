"""Lists conversations of all projects and reads them page by page, for operators. Called by the admin API."""

from collections.abc import Sequence

import msgspec

from tidegate.conversations.storage.rows import postgres_text
from tidegate.storage.postgres import Postgres, queries

MAX_TEXT_LENGTH = 20_000
"""Characters of one item that are shown."""


class ConversationLine(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation of a list."""

    project: str
    id: str
    kind: str
    """`conversation`, or `chain` of responses."""
    created_at: float
    """Unix seconds."""
    items: int
    """How many items were ever added."""
    begins: str | None
    """The beginning of its first message."""


class FoundConversation(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation, without its items."""

    project: str
    id: str
    kind: str
    """`conversation`, `chain` or `completion`."""
    created_at: float
    parent: str | None
    """The chain that it goes on from, up to the item `parent_seq`."""
    parent_seq: int | None


class ConversationText(msgspec.Struct, frozen=True, kw_only=True):
    """One item of a conversation, as text."""

    n: int
    id: str
    type: str
    role: str | None
    output: bool
    """Whether the model wrote it."""
    at: float
    end_user: str | None
    text: str
    """What was said; of an item without words its JSON."""
    is_cut: bool
    """Whether the text is longer than MAX_TEXT_LENGTH."""


class ConversationReading:
    """Reads all projects: row policies do not apply. Every method raises PostgresUnavailable."""

    def __init__(self, postgres: Postgres) -> None:
        """`postgres` must be connected as the owner of the tables."""
        self._postgres = postgres
        self._sql = queries("reading")

    async def list(self, *, project: str | None, before: float | None, limit: int) -> Sequence[ConversationLine]:
        """Return the newest conversations, created before so many Unix seconds, at most `limit`."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["list"], project, before, limit)
        return [ConversationLine(**dict(row)) for row in rows]

    async def find(self, conversation: str, project: str | None) -> FoundConversation | None:
        """Return a conversation, a chain or a completion by its id, or None."""
        async with self._postgres.connection() as connection:
            row = await connection.fetchrow(self._sql["find"], postgres_text(conversation), project)
        return None if row is None else FoundConversation(**dict(row))

    async def items(self, found: FoundConversation, *, after: int, limit: int) -> Sequence[ConversationText]:
        """Return its items after a number, in order, at most `limit`."""
        statement = self._sql["messages" if found.kind == "completion" else "items"]
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(statement, found.project, found.id, after, limit, MAX_TEXT_LENGTH)
        return [ConversationText(**dict(row)) for row in rows]
