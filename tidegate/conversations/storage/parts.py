"""Large parts in PostgreSQL: stored once per project and day of expiry, with a count of their uses.

Used by the stores of conversations.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from tidegate.conversations.storage.packing import LargePart, decode_parts
from tidegate.storage.postgres import Connection, queries


class PartStore:
    """Reads and writes large parts within the transactions of the stores."""

    def __init__(self) -> None:
        """The store has no state but its queries."""
        self._sql = queries("parts")

    async def save(
        self,
        connection: Connection,
        project: str,
        contents: Mapping[str, bytes],
        parts: Iterable[LargePart],
        until: date,
    ) -> None:
        """Store the contents, by hash, that `parts` stand for."""
        if not contents:
            return
        times = Counter(part.hash for part in parts)
        hashes = [bytes.fromhex(name) for name in contents]
        counts = [times[name] for name in contents]
        await connection.execute(self._sql["keep"], project, hashes, list(contents.values()), counts, until)

    async def release(
        self, connection: Connection, project: str, released: Iterable[tuple[Sequence[LargePart], date]]
    ) -> None:
        """End uses of parts that were stored until a given day, and delete those that have no uses left."""
        pairs = [(bytes.fromhex(part.hash), until) for parts, until in released for part in parts]
        if not pairs:
            return
        hashes, days = [name for name, _ in pairs], [day for _, day in pairs]
        await connection.execute(self._sql["release"], project, hashes, days)
        await connection.execute(self._sql["sweep"], project, hashes)

    async def read(
        self, connection: Connection, project: str, rows: Iterable[Any], *, with_media: bool = True
    ) -> Mapping[str, bytes]:
        """Return the contents that these rows need, by hash; images and files only with `with_media`."""
        columns = [column for row in rows if (column := row["parts"]) is not None]
        hashes = {part.hash for column in columns for part in decode_parts(column) if with_media or not part.data}
        if not hashes:
            return {}
        content_rows = await connection.fetch(self._sql["read"], project, [bytes.fromhex(name) for name in hashes])
        return {row["hash"].hex(): row["data"] for row in content_rows}
