"""Messages found by their words, for whoever administers the gateway."""

from typing import Any

import msgspec

from tidegate.conversations.storage.rows import end_user_column, postgres_text
from tidegate.storage.postgres import Postgres, queries

MATCH_START, MATCH_END = "\x02", "\x03"
"""Around the words of an excerpt that were looked for."""


class SearchHit(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a search found."""

    at: float
    """Unix seconds."""
    project: str
    conversation: str
    """A conversation, a chain of responses, or a stored completion."""
    turn: str | None
    """The response or completion that it belongs to."""
    id: str
    role: str | None
    end_user: str | None
    model: str | None
    excerpt: str


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for; None sets no bound."""

    words: str
    """As one asks a search engine: all words, "a phrase", or, -without."""
    project: str | None = None
    end_user: str | None = None
    before: float | None = None
    """Unix seconds."""
    limit: int = 20


class ConversationSearch:
    """Searches all projects, whatever their policies say."""

    def __init__(self, postgres: Postgres) -> None:
        """`postgres` must be known there as the tables' owner."""
        self._postgres = postgres
        self._sql = queries("search")

    async def find(self, search: SearchQuery) -> list[SearchHit]:
        """The newest messages that match. Raises PostgresUnavailable, also where it takes too long."""
        user = end_user_column(search.end_user)
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(
                self._sql["search"], postgres_text(search.words), search.project, user, search.before, search.limit
            )
        return [_hit(row) for row in rows]


def _hit(row: Any) -> SearchHit:
    return SearchHit(**{field.name: row[field.name] for field in msgspec.structs.fields(SearchHit)})
