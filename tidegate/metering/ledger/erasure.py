"""Takes an end user's name out of the ledger; what was spent stays, under a name that says nothing."""

import msgspec

from tidegate.core.ids import IdSource, new_id
from tidegate.metering.ledger.entries import MAX_TEXT_LENGTH, plain_text
from tidegate.storage.postgres import Postgres, queries

_BATCH_SIZE = 5000


class LedgerEraser:
    """An `Eraser`. All lines of one end user get the same new name, and nobody keeps whose it was."""

    def __init__(self, postgres: Postgres, ids: IdSource = new_id) -> None:
        """`postgres` is shared with others."""
        self._postgres = postgres
        self._ids = ids
        self._sql = queries("forgetting")

    async def count(self, project: str, end_user: str) -> dict[str, int]:
        """Lines that name them. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            found = await connection.fetchval(self._sql["count_ledger"], project, plain_text(end_user, MAX_TEXT_LENGTH))
        return {"ledger_lines": int(found)}

    async def erase(self, project: str, end_user: str) -> dict[str, int]:
        """Give their lines another name, some at a time. Raises PostgresUnavailable."""
        user, name, count = plain_text(end_user, MAX_TEXT_LENGTH), self._ids("forgotten_"), 0
        async with self._postgres.connection() as connection:
            while renamed := await connection.fetchval(self._sql["rename_in_ledger"], project, user, name, _BATCH_SIZE):
                count += int(renamed)
            words = (msgspec.json.encode(text).decode() for text in (project, user, name))
            await connection.execute(self._sql["rename_in_rejected"], *words)
        return {"ledger_lines": count}
