"""The Redis stream of ledger entries between the answers and PostgreSQL: one consumer group, any number of drainers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from tidegate.core.errors import RedisUnavailable
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import RedisLink, Script

ENTRY_FIELD = b"e"
"""The only field of a stream entry, which holds the ledger entry's JSON."""
CONSUMER_GROUP = "drain"
BATCH_SIZE = 500
"""The most entries of one read, and so of one statement: about 250 kB."""

_REPLY_SECONDS = 5.0
"""Seconds after which a Redis that should answer at once counts as gone."""


def stream_key(prefix: str) -> str:
    """Return the stream's key."""
    return RedisNames(prefix).of("ledger")


class StreamEntry(msgspec.Struct, frozen=True):
    """One entry of the stream as delivered; `entry` is None when it was deleted meanwhile."""

    id: bytes
    entry: bytes | None


class LedgerStream:
    """The stream, for those who append to it and for drainers."""

    def __init__(self, link: RedisLink, prefix: str) -> None:
        """`prefix` is `redis.prefix`."""
        self._link = link
        self._forget = Script("forget_consumers")
        self._append = Script("ledger_append")
        self._acknowledge, self._leave = Script("ledger_acknowledge"), Script("ledger_leave")
        self.key = stream_key(prefix)

    async def append(self, encoded: bytes) -> None:
        """Append one entry. Raises RedisUnavailable."""
        await self._link.command("XADD", self.key, "*", ENTRY_FIELD, encoded)

    async def append_all(self, encoded: Sequence[bytes]) -> None:
        """Append entries, all or none. Raises RedisUnavailable."""
        await self._link.run(self._append, [self.key], encoded)

    async def length(self) -> int:
        """Return the number of entries that are not in PostgreSQL yet. Raises RedisUnavailable."""
        return int(await self._link.command("XLEN", self.key))

    async def remove_idle_consumers(self, seconds: float) -> int:
        """Remove consumers that read nothing for `seconds` and hold no entries; return their number.

        These include consumers whose process died. A live one is added again with its next entry. Raises
        RedisUnavailable.
        """
        return int(await self._link.run(self._forget, [self.key], [CONSUMER_GROUP, int(seconds * 1000)]))

    @contextlib.asynccontextmanager
    async def consumer(self, name: str) -> AsyncIterator["StreamConsumer"]:
        """Read as the consumer `name` on a connection of its own. Raises RedisUnavailable, also within the block."""
        await self._ensure_group()
        async with self._link.dedicated() as client:
            client.response_callbacks.clear()  # raw replies: converting them to dicts costs more than everything else
            yield StreamConsumer(client, self.key, name, acknowledge=self._acknowledge, leave=self._leave)

    async def _ensure_group(self) -> None:
        """Create the group at the very beginning of the stream, so that it misses no entry."""
        try:
            await self._link.command("XGROUP", "CREATE", self.key, CONSUMER_GROUP, "0", "MKSTREAM")
        except RedisUnavailable as error:
            # the group exists; or a full Redis creates none, and reading tells whether it exists
            if "BUSYGROUP" not in str(error) and "OOM" not in str(error):
                raise


class StreamConsumer:
    """One drainer's membership of the group."""

    def __init__(self, client: Any, key: str, name: str, *, acknowledge: Script, leave: Script) -> None:
        """Use `LedgerStream.consumer` to make one."""
        self._client = client
        self._acknowledge = acknowledge
        self._leave = leave
        self._key = key
        self._name = name

    async def read_unacknowledged(self) -> list[StreamEntry]:
        """Return entries that were delivered to this consumer before and never acknowledged."""
        return _entries(await self._read("0", None))

    async def read_new(self, block: float | None = None) -> list[StreamEntry]:
        """Return new entries; wait up to `block` seconds for the first."""
        return _entries(await self._read(">", block))

    async def claim_idle(self, idle: float) -> list[StreamEntry]:
        """Take over entries that were delivered to others more than `idle` seconds ago and never acknowledged."""
        reply = await self._run(
            "XAUTOCLAIM", self._key, CONSUMER_GROUP, self._name, int(idle * 1000), "0-0", "COUNT", BATCH_SIZE
        )
        return _stream_entries(reply[1])

    async def acknowledge(self, ids: Sequence[bytes]) -> None:
        """Acknowledge and delete entries that are in PostgreSQL, both or neither."""
        await self._run("EVAL", self._acknowledge.text, 1, self._key, CONSUMER_GROUP, *ids)

    async def remove(self) -> None:
        """Remove this consumer, unless it still holds entries: they would be lost with it."""
        await self._run("EVAL", self._leave.text, 1, self._key, CONSUMER_GROUP, self._name)

    async def _read(self, after: str, block: float | None) -> Any:
        wait = () if block is None else ("BLOCK", max(1, int(block * 1000)))
        return await self._run(
            "XREADGROUP",
            "GROUP",
            CONSUMER_GROUP,
            self._name,
            "COUNT",
            BATCH_SIZE,
            *wait,
            "STREAMS",
            self._key,
            after,
            wait=block,
        )

    async def _run(self, *command: bytes | str | int, wait: float | None = None) -> Any:
        # a silent Redis raises TimeoutError, an OSError, which the connection converts
        async with asyncio.timeout((wait or 0) + _REPLY_SECONDS):
            return await self._client.execute_command(*command)


def _entries(reply: Any) -> list[StreamEntry]:
    """Return the entries of a reply about one stream; None means that there were none in time."""
    return _stream_entries(reply[0][1]) if reply else []


def _stream_entries(raw: list[Any]) -> list[StreamEntry]:
    # for a deleted entry Redis 6.2 returns None, and later versions return its id without fields
    return [StreamEntry(one[0], _entry(one[1])) for one in raw if one is not None]


def _entry(fields: list[bytes] | None) -> bytes | None:
    if not fields:
        return None
    # anything else in the stream is no entry of Tidegate, and is kept among the rejected entries
    return fields[1] if fields[0] == ENTRY_FIELD else b" ".join(fields)
