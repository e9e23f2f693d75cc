"""Converts conversation items to database rows and back. No I/O."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from tidegate.conversations.documents.records import MAX_ITEM_BYTES, ConversationItem
from tidegate.conversations.storage.packing import LargePart, jsonb_safe, pack, unpack_row
from tidegate.core.errors import ItemTooLarge, NotStorable

MAX_END_USER_LENGTH = 256
MAX_ID_LENGTH = 256
"""Characters. Callers may choose ids, and an index holds them."""


class InsertPosition(msgspec.Struct, frozen=True, kw_only=True):
    """Item numbers that are reserved in a conversation."""

    conversation: str
    last_number: int
    """The number of the last item before them."""
    expires_on: date
    size: int
    """Bytes of the whole conversation, including the new items."""

    @staticmethod
    def from_row(row: Any) -> "InsertPosition":
        """Return the position in a query's row."""
        return InsertPosition(
            conversation=row["conversation"], last_number=row["before"], expires_on=row["expires_on"], size=row["size"]
        )


class _ItemRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table `items`, for jsonb_to_recordset."""

    n: int
    id: str
    output: bool
    type: str
    role: str | None
    size: int
    document: msgspec.Raw
    exact: bytes | None
    parts: tuple[LargePart, ...] | None


class ItemRows(msgspec.Struct, frozen=True, kw_only=True):
    """Items as rows, ready for the database."""

    rows: str
    """A JSON array."""
    count: int
    size: int
    """Bytes of all items."""
    parts: tuple[LargePart, ...]
    contents: Mapping[str, bytes]


def to_rows(inputs: Sequence[ConversationItem], outputs: Sequence[ConversationItem] = ()) -> ItemRows:
    """Convert items to rows. Raises ItemTooLarge and NotStorable."""
    rows: list[_ItemRow] = []
    contents: dict[str, bytes] = {}
    for n, item in enumerate((*inputs, *outputs), start=1):
        rows.append(_row(n, item, contents, output=n > len(inputs)))
    return ItemRows(
        rows=msgspec.json.encode(rows).decode(),
        count=len(rows),
        size=sum(row.size for row in rows),
        parts=tuple(part for row in rows for part in row.parts or ()),
        contents=contents,
    )


def _row(n: int, item: ConversationItem, contents: dict[str, bytes], *, output: bool) -> _ItemRow:
    size = len(item.document)
    if size > MAX_ITEM_BYTES:
        raise ItemTooLarge(
            f"The item {item.id} has {size:,} bytes; at most {MAX_ITEM_BYTES:,} are kept. "
            "Make its image or file smaller, or send a URL instead.",
            param="input",
        )
    if len(item.id) > MAX_ID_LENGTH:
        raise NotStorable(f"An item's `id` has at most {MAX_ID_LENGTH} characters.", param="id")
    try:
        packed = pack(item.document)
    except UnicodeDecodeError as error:
        raise NotStorable(f"The item {item.id} is not UTF-8: {error}.", param="input") from error
    contents.update(packed.contents)
    return _ItemRow(
        n=n,
        id=postgres_text(item.id),
        output=output,
        type=postgres_text(item.type)[:MAX_ID_LENGTH],
        role=None if item.role is None else postgres_text(item.role)[:MAX_ID_LENGTH],
        size=size,
        document=msgspec.Raw(packed.document.encode()),
        exact=packed.exact,
        parts=packed.parts or None,
    )


def postgres_text(text: str) -> str:
    """Return text that PostgreSQL can hold: with U+FFFD for NUL and half surrogate pairs."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def end_user_column(end_user: str | None) -> str | None:
    """Return an end user's name as the ledger has it, so that the tables can be joined."""
    if end_user is None:
        return None
    return end_user.replace("\0", "")[:MAX_END_USER_LENGTH].encode(errors="replace").decode()


def metadata_column(metadata: Mapping[str, str]) -> str:
    """Return metadata for jsonb."""
    return jsonb_safe(msgspec.json.encode(metadata)).decode()


def items_of(rows: Iterable[Any], contents: Mapping[str, bytes]) -> tuple[ConversationItem, ...]:
    """Return the items in rows, skipping rows without one."""
    return tuple(
        ConversationItem(id=row["id"], type=row["type"], role=row["role"], document=unpack_row(row, contents))
        for row in rows
        if row["id"] is not None
    )


class _ItemKind(msgspec.Struct, frozen=True):
    type: str = ""


_decode_kind = msgspec.json.Decoder(_ItemKind)
_decode_raw = msgspec.json.Decoder(list[msgspec.Raw])


def without_orphaned_outputs(lines: Sequence[bytes]) -> list[bytes]:
    """Return items without leading tool outputs whose tool calls have expired.

    Each of `lines` is the JSON of an item, or of several with commas between them.
    """
    items = _decode_raw.decode(b"[" + b",".join(lines) + b"]")
    for n, item in enumerate(items):
        if not _decode_kind.decode(item).type.endswith(("_output", "_response")):
            return [bytes(one) for one in items[n:]]
    return []


class _ReleasedParts(msgspec.Struct, frozen=True):
    parts: tuple[LargePart, ...]
    expires_on: str


_decode_released = msgspec.json.Decoder(tuple[_ReleasedParts, ...])


def released_parts(column: str | None) -> Iterator[tuple[tuple[LargePart, ...], date]]:
    """Yield the parts of deleted rows, with their day of expiry."""
    for freed in () if column is None else _decode_released.decode(column):
        day = date.max if freed.expires_on == "infinity" else date.fromisoformat(freed.expires_on)
        yield freed.parts, day
