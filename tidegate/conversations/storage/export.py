"""Exports the stored rows of a project or an end user as JSON lines.

Called by `tidegate conversations export` and the admin API.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import msgspec

from tidegate.conversations.storage.packing import unpack, unpack_row
from tidegate.conversations.storage.rows import end_user_column
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.storage.postgres import queries

_PAGE_ROWS = 100
_LARGE_PAGE_ROWS = 10
"""Rows per page of items and completions, each of which may have megabytes."""

Line = dict[str, Any]


class ConversationExport:
    """Reads the stored rows page by page. Rows that are added meanwhile may be missing."""

    def __init__(self, base: StoreBase) -> None:
        """`base` is shared with the stores."""
        self._base = base
        self._sql = queries("export")

    async def lines(self, project: str, end_user: str | None = None) -> AsyncIterator[bytes]:
        """Yield a JSON object per line: each conversation with its items, then the responses, then the completions.

        For an end user: the conversations they took part in, without the items of others. Raises PostgresUnavailable.
        """
        user = end_user_column(end_user)
        async for conversation in self._pages("conversations", project, user, _PAGE_ROWS, with_day=False):
            yield _encoded_line(_conversation(conversation))
            async for line in self._items(project, user, conversation["id"]):
                yield line
        async for response in self._pages("responses", project, user, _PAGE_ROWS):
            yield _encoded_line(_response(response))
        async for completion in self._pages("completions", project, user, _LARGE_PAGE_ROWS):
            yield await self._completion(project, completion)

    async def _items(self, project: str, user: str | None, conversation: str) -> AsyncIterator[bytes]:
        last = 0
        while True:
            async with self._base.rows.transaction(project) as connection:
                day = self._base.today()
                asked = (project, user, conversation, last, _LARGE_PAGE_ROWS, day)
                rows = await connection.fetch(self._sql["items"], *asked)
                contents = await self._base.parts.read(connection, project, rows)
            for row in rows:
                yield _encoded_line(_item(conversation, row, unpack_row(row, contents)))
            if len(rows) < _LARGE_PAGE_ROWS:
                return
            last = rows[-1]["seq"]

    async def _pages(
        self, name: str, project: str, user: str | None, limit: int, *, with_day: bool = True
    ) -> AsyncIterator[Any]:
        """Yield the rows of a query page by page; no transaction is open while the caller uses them."""
        last = ""
        while True:
            days = (self._base.today(),) if with_day else ()
            async with self._base.rows.transaction(project) as connection:
                rows = await connection.fetch(self._sql[name], project, user, last, limit, *days)
            for row in rows:
                yield row
            if len(rows) < limit:
                return
            last = rows[-1]["id"]

    async def _completion(self, project: str, row: Any) -> bytes:
        async with self._base.rows.transaction(project) as connection:
            contents = await self._base.parts.read(connection, project, [row])
        return _encoded_line(
            {
                "kind": "completion",
                **_columns(row, ("id", "created_at", "end_user", "request_id")),
                "metadata": msgspec.Raw(row["metadata"].encode()),
                "completion": msgspec.Raw(unpack(row["completion"], row["completion_exact"])),
                "messages": msgspec.Raw(unpack_row(row, contents)),
            }
        )


def _conversation(row: Any) -> Line:
    line = {"kind": row["kind"], **_columns(row, ("id", "created_at", "deleted"))}
    if row["kind"] == "conversation":
        return {**line, "metadata": msgspec.Raw(row["metadata"].encode())}
    return {**line, "goes_on_from": row["parent"], "after_item": row["parent_seq"]}


def _item(conversation: str, row: Any, document: bytes) -> Line:
    columns = _columns(row, ("response", "output", "deleted", "at", "end_user"))
    return {"kind": "item", "conversation": conversation, "n": row["seq"], **columns, "item": msgspec.Raw(document)}


def _response(row: Any) -> Line:
    names = ("id", "conversation", "previous_response", "status", "created_at", "end_user", "request_id")
    return {"kind": "response", **_columns(row, names), "response": msgspec.Raw(unpack(row["document"], row["exact"]))}


def _columns(row: Any, names: Iterable[str]) -> Line:
    return {name: row[name] for name in names}


_encode: Callable[[Line], bytes] = msgspec.json.Encoder().encode


def _encoded_line(line: Line) -> bytes:
    return _encode(line) + b"\n"
