"""Notes when each secret of an API key was last used: in batches, away from the calls.

A call stores one entry in a dict (`sent`), and nothing else. A task writes the entries to PostgreSQL.
"""

import contextlib

from tidegate.core.clock import Clock
from tidegate.core.errors import StoreError
from tidegate.core.periodic import PeriodicTask
from tidegate.storage.postgres import Postgres, queries

WRITE_SECONDS = 10.0
"""The pause between two writes of a process. A write is one statement, whatever the number of keys."""
_COARSE_SECONDS = 30.0
"""A secret noted this recently, by any process, is not written again."""


class KeyUses:
    """The secrets that were used since the last write. Use it between `start` and `close`."""

    def __init__(self, postgres: Postgres, clock: Clock, *, every: float = WRITE_SECONDS) -> None:
        """`every` is the pause between two writes, in seconds."""
        self._postgres = postgres
        self._clock = clock
        self._sql = queries("key_rotation")
        self.sent: dict[bytes, None] = {}
        """The digests of the secrets; only those that PostgreSQL knows, so it stays small."""
        self._task = PeriodicTask("api-key-uses", self.write, every=every, wait_first=True)

    def __repr__(self) -> str:
        return f"<KeyUses: {len(self.sent)} to be written>"

    async def start(self) -> None:
        """Start to write."""
        await self._task.start()

    async def close(self) -> None:
        """Stop, and write what is left. Without PostgreSQL it is dropped: the last use is then a little older."""
        await self._task.close()
        with contextlib.suppress(StoreError):
            await self.write()

    async def write(self) -> None:
        """Write what was used. Raises PostgresUnavailable; the entries are then written by a later round."""
        digests = list(self.sent)
        if not digests:
            return
        async with self._postgres.connection() as connection:
            await connection.execute(self._sql["note_uses"], digests, self._clock.now(), _COARSE_SECONDS)
        for digest in digests:
            self.sent.pop(digest, None)
