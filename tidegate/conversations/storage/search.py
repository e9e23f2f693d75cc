"""Searches messages by their words. Called by `tidegate conversations search` and the admin API."""

from typing import Any

import msgspec

from tidegate.conversations.storage.rows import end_user_column, postgres_text
from tidegate.storage.postgres import Postgres, queries

MATCH_START, MATCH_END = "\x02", "\x03"
"""Marks around the matching words of an excerpt."""


class SearchHit(msgspec.Struct, frozen=True, kw_only=True):
    """A message that matches a search."""

    at: float
    """Unix seconds."""
    project: str
    conversation: str
    """The id of a conversation, a chain of responses, or a stored completion."""
    turn: str | None
    """The id of its response or completion."""
    id: str
    role: str | None
    end_user: str | None
    model: str | None
    excerpt: str


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The criteria of a search; None sets no bound."""

    words: str
    """Words in the syntax of search engines: all words, "a phrase", or, -without."""
    project: str | None = None
    end_user: str | None = None
    before: float | None = None
    """Unix seconds."""
    limit: int = 20


class ConversationSearch:
    """Searches all projects: row policies do not apply."""

    def __init__(self, postgres: Postgres) -> None:
        """`postgres` must be connected as the owner of the tables."""
        self._postgres = postgres
        self._sql = queries("search")

    async def find(self, search: SearchQuery) -> list[SearchHit]:
        """Return the newest messages that match. Raises PostgresUnavailable, also where the search takes too long."""
        user = end_user_column(search.end_user)
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(
                self._sql["search"], postgres_text(search.words), search.project, user, search.before, search.limit
            )
        return [_hit(row) for row in rows]


def _hit(row: Any) -> SearchHit:
    return SearchHit(**{field.name: row[field.name] for field in msgspec.structs.fields(SearchHit)})
