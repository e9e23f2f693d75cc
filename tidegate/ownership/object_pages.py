"""Answers a list with the objects of one project, however many of other projects the upstream has (ADR 0108)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from tidegate.core.clock import Clock
from tidegate.ownership.listing import ObjectListQuery, is_listed, list_answer
from tidegate.ownership.object_store import ObjectStore
from tidegate.ownership.owned_object import (
    FIRST_POSITION,
    LAST_POSITION,
    ListPosition,
    ObjectReference,
    OwnedObject,
)
from tidegate.ownership.rules import Unrecorded, not_found
from tidegate.wire.operations.operation import ObjectKind

ReadObject = Callable[[OwnedObject], Awaitable[bytes | None]]
"""Reads the JSON of an object at the upstream; None where it exists no longer, NOT_READABLE where that is not known.

Raises UpstreamError.
"""

NOT_READABLE = b""
"""An object whose account is not configured any more: it is in no list, and its record stays."""

MAX_READS = 200
"""Objects that one page reads at the upstream. A page that would need more ends early, with `has_more`."""
_READS_AT_ONCE = 8
_ROWS_AT_ONCE = 200


class _Expiry(msgspec.Struct, frozen=True):
    expires_at: float | None = None


_decode_expiry = msgspec.json.Decoder(_Expiry)


class ObjectPages:
    """Pages of objects, in the order of the records. A file's JSON is on record; that of others is read."""

    def __init__(self, store: ObjectStore, clock: Clock, *, unrecorded: Unrecorded) -> None:
        """`unrecorded` chooses the words for a page that begins at an unknown object."""
        self._store = store
        self._clock = clock
        self._unrecorded: Unrecorded = unrecorded

    async def answer(self, project: str, query: ObjectListQuery, read: ReadObject) -> bytes:
        """Return the JSON of a page.

        Raises UpstreamObjectNotFound, PostgresUnavailable, and what `read` raises.
        """
        after, before = await self._position(project, query, "after"), await self._position(project, query, "before")
        is_reversed = before is not None and after is None  # the page that ends there, and not the list's first one
        low, high = (before, after) if query.descending else (after, before)
        listed, has_more = await self._filled(
            _Page(self._store, project, query, read, self._clock.now()),
            low or FIRST_POSITION,
            high or LAST_POSITION,
            descending=query.descending is not is_reversed,
        )
        return list_answer(listed[::-1] if is_reversed else listed, has_more=has_more)

    async def _filled(
        self, page: "_Page", low: ListPosition, high: ListPosition, *, descending: bool
    ) -> tuple[list[tuple[str, bytes]], bool]:
        limit = page.query.limit
        while True:
            most = min(limit + 1 - len(page.listed), _ROWS_AT_ONCE)
            rows = await self._store.page(
                page.project, page.query.kind, after=low, before=high, descending=descending, limit=most
            )
            await page.add([one for one, _ in rows])
            if len(page.listed) > limit:
                return page.listed[:limit], True
            if len(rows) < most:
                return page.listed, False
            if page.reads >= MAX_READS:
                return page.listed, True
            low, high = (low, rows[-1][1]) if descending else (rows[-1][1], high)

    async def _position(self, project: str, query: ObjectListQuery, param: str) -> ListPosition | None:
        object_id = query.after if param == "after" else query.before
        if object_id is None:
            return None
        position = await self._store.position(project, query.kind, object_id)
        if position is None:
            raise not_found(ObjectReference(object_id, query.kind, param), unrecorded=self._unrecorded)
        return position


class _Page:
    """What is listed so far of one page."""

    def __init__(self, store: ObjectStore, project: str, query: ObjectListQuery, read: ReadObject, now: float) -> None:
        self.project = project
        self.query = query
        self.listed: list[tuple[str, bytes]] = []
        self.reads = 0
        self._store = store
        self._read = read
        self._now = now

    async def add(self, objects: Sequence[OwnedObject]) -> None:
        """Add those of the objects that exist and have what the query requests."""
        documents = await self._documents(objects)
        gone = [one.id for one in objects if documents[one.id] is None]
        if gone:
            await self._store.mark_gone(self.project, gone)
        for one in objects:
            document = documents[one.id]
            if document and is_listed(document, self.query):
                self.listed.append((one.id, document))

    async def _documents(self, objects: Sequence[OwnedObject]) -> dict[str, bytes | None]:
        """Return the JSON of each object; None for one that exists no longer."""
        found: dict[str, bytes | None] = {one.id: one.document for one in objects if one.document is not None}
        unread = [one for one in objects if one.document is None]
        for n in range(0, len(unread), _READS_AT_ONCE):
            some = unread[n : n + _READS_AT_ONCE]
            found.update(zip((one.id for one in some), await self._read_all(some), strict=True))
        self.reads += len(unread)
        return {name: None if document is None else self._unexpired(document) for name, document in found.items()}

    async def _read_all(self, objects: Sequence[OwnedObject]) -> list[bytes | None]:
        tasks = [asyncio.ensure_future(self._read(one)) for one in objects]
        try:
            documents = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        for one, document in zip(objects, documents, strict=True):
            if document and one.kind is ObjectKind.FILE:
                await self._store.keep_document(self.project, one.id, document)
        return documents

    def _unexpired(self, document: bytes) -> bytes | None:
        """Return the document of a file on record; None once the file has expired."""
        if self.query.kind is not ObjectKind.FILE:
            return document
        try:
            expires_at = _decode_expiry.decode(document).expires_at
        except (msgspec.DecodeError, RecursionError):
            return document
        return None if expires_at is not None and expires_at <= self._now else document
