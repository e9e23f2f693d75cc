"""Large parts in PostgreSQL: each kept once for a project and a day of expiry, counted by its uses."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from tidegate.conversations.storage.packing import LargePart, decode_parts
from tidegate.storage.postgres import Connection, queries


class PartStore:
    """Works within the transactions of others."""

    def __init__(self) -> None:
        """It holds nothing but its queries."""
        self._sql = queries("parts")

    async def save(
        self,
        connection: Connection,
        project: str,
        contents: Mapping[str, bytes],
        parts: Iterable[LargePart],
        until: date,
    ) -> None:
        """Keep the contents, by hash, that the parts `used` stand for."""
        if not contents:
            return
        times = Counter(part.hash for part in parts)
        hashes = [bytes.fromhex(name) for name in contents]
        counts = [times[name] for name in contents]
        await connection.execute(self._sql["keep"], project, hashes, list(contents.values()), counts, until)

    async def release(
        self, connection: Connection, project: str, released: Iterable[tuple[Sequence[LargePart], date]]
    ) -> None:
        """Some uses have ended: of these parts, kept until that day. What nobody uses any more is deleted."""
        pairs = [(bytes.fromhex(part.hash), until) for parts, until in released for part in parts]
        if not pairs:
            return
        hashes, days = [name for name, _ in pairs], [day for _, day in pairs]
        await connection.execute(self._sql["release"], project, hashes, days)
        await connection.execute(self._sql["sweep"], project, hashes)

    async def read(
        self, connection: Connection, project: str, rows: Iterable[Any], *, with_media: bool = True
    ) -> Mapping[str, bytes]:
        """The contents that these rows need, by hash; images and files only where `large`."""
        columns = [column for row in rows if (column := row["parts"]) is not None]
        wanted = {part.hash for column in columns for part in decode_parts(column) if with_media or not part.data}
        if not wanted:
            return {}
        found = await connection.fetch(self._sql["read"], project, [bytes.fromhex(name) for name in wanted])
        return {row["hash"].hex(): row["data"] for row in found}
