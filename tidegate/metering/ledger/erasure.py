"""Removes an end user's name from the ledger; the spending stays, under a random name.

Called by `tidegate users forget` and the admin API.
"""

import msgspec

from tidegate.core.ids import IdSource, new_id
from tidegate.metering.ledger.entries import MAX_TEXT_LENGTH, plain_text
from tidegate.storage.postgres import Postgres, queries

_BATCH_SIZE = 5000


class LedgerEraser:
    """An `Eraser`. All entries of one end user get the same new name, and the link between both names is not stored."""

    def __init__(self, postgres: Postgres, ids: IdSource = new_id) -> None:
        """`postgres` is shared with other stores."""
        self._postgres = postgres
        self._ids = ids
        self._sql = queries("end_user_erasure")

    async def count(self, project: str, end_user: str) -> dict[str, int]:
        """Count the entries with this name. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            entry_count = await connection.fetchval(
                self._sql["count_ledger"], project, plain_text(end_user, MAX_TEXT_LENGTH)
            )
        return {"ledger_lines": int(entry_count)}

    async def erase(self, project: str, end_user: str) -> dict[str, int]:
        """Replace the name in batches. Raises PostgresUnavailable."""
        user, name, count = plain_text(end_user, MAX_TEXT_LENGTH), self._ids("forgotten_"), 0
        async with self._postgres.connection() as connection:
            while renamed := await connection.fetchval(self._sql["rename_in_ledger"], project, user, name, _BATCH_SIZE):
                count += int(renamed)
            words = (msgspec.json.encode(text).decode() for text in (project, user, name))
            await connection.execute(self._sql["rename_in_rejected"], *words)
        return {"ledger_lines": count}
