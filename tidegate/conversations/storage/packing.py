"""Packs a JSON document so that PostgreSQL can search it, and unpacks every byte of it. No I/O.

jsonb holds neither NUL characters nor half surrogate pairs, and rows with 32 MB of image are slow to list. So jsonb
gets U+FFFD for the first two, and little or nothing of long strings. Where that loses information, the exact bytes are
stored in another column, and long strings in a table of their own, by hash.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

MAX_INLINE_BYTES = 64 * 1024
"""The most bytes of a JSON string that stay in the row."""
_MAX_SEARCHED_BYTES = 16 * 1024
"""The bytes of a longer text that stay in jsonb, for searches."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ESCAPE = re.compile(
    rb"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_DATA = re.compile(rb'"(?:data:|[A-Za-z0-9+/_=-]{1024})')


class LargePart(msgspec.Struct, frozen=True, kw_only=True):
    """The position in the exact bytes where an empty string stands for a long one."""

    at: int
    hash: str
    """SHA-256 of the long string's JSON, in hexadecimal."""
    data: bool
    """Whether it is an image or a file, and not a text."""


_decode_parts = msgspec.json.Decoder(tuple[LargePart, ...])


class PackedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A packed document."""

    document: str
    """The value for jsonb."""
    exact: bytes | None
    """The document with empty strings for long ones; None if jsonb holds the document exactly."""
    parts: tuple[LargePart, ...]
    contents: Mapping[str, bytes]
    """The long strings as JSON, by hash."""


def pack(document: bytes, *, max_inline_bytes: int = MAX_INLINE_BYTES) -> PackedDocument:
    """Pack a document; strings of more than `max_inline_bytes` are stored apart. Raises UnicodeDecodeError."""
    apart = _split(document, max_inline_bytes) if len(document) > max_inline_bytes else (document, document, (), {})
    shown, exact, parts, contents = apart
    clean = jsonb_safe(shown)
    kept = None if not parts and clean == document else exact
    return PackedDocument(document=clean.decode(), exact=kept, parts=parts, contents=contents)


def unpack(
    document: str, exact: bytes | None, parts: tuple[LargePart, ...] = (), contents: Mapping[str, bytes] | None = None
) -> bytes:
    """Return the original document, with `null` for each part whose content is missing."""
    if exact is None:
        return document.encode()
    pieces: list[bytes] = []
    begin = 0
    for part in parts:
        pieces += (exact[begin : part.at], (contents or {}).get(part.hash, b"null"))
        begin = part.at + 2
    return b"".join((*pieces, exact[begin:]))


def jsonb_safe(text: bytes) -> bytes:
    """Return JSON that jsonb accepts: with U+FFFD for NUL and for half surrogate pairs."""
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[2] else found[0], text) if b"\\u" in text else text


def _split(document: bytes, longest: int) -> tuple[bytes, bytes, tuple[LargePart, ...], dict[str, bytes]]:
    """Return the value for jsonb, the exact bytes, and the parts with their contents."""
    shown: list[bytes] = []
    exact: list[bytes] = []
    parts: list[LargePart] = []
    contents: dict[str, bytes] = {}
    begin = length = 0
    for found in _STRING.finditer(document):
        if found.end() - found.start() <= longest:
            continue
        before, text = document[begin : found.start()], found[0]
        begin = found.end()
        data = _DATA.match(text) is not None
        digest = hashlib.sha256(text).hexdigest()
        parts.append(LargePart(at=length + len(before), hash=digest, data=data))
        contents[digest] = text
        length += len(before) + 2
        exact += (before, b'""')
        shown += (before, b'""' if data else _beginning(text))
    rest = document[begin:]
    return b"".join((*shown, rest)), b"".join((*exact, rest)), tuple(parts), contents


def _beginning(text: bytes) -> bytes:
    """Return the beginning of a long text, without cutting an escape or a character."""
    head = re.sub(rb"\\[^\\]{0,11}$", b"", text[:-1][:_MAX_SEARCHED_BYTES].replace(rb"\\", rb"\u005c"))
    return head.decode(errors="ignore").encode() + b'"'


def decode_parts(column: str | None) -> tuple[LargePart, ...]:
    """Return the parts that a row's column lists."""
    return () if column is None else _decode_parts.decode(column)


def unpack_row(row: Any, contents: Mapping[str, bytes]) -> bytes:
    """Return the document of a row that has the columns `document`, `exact` and `parts`."""
    if row["exact"] is None:
        shown: str = row["document"]
        return shown.encode()
    return unpack(row["document"], row["exact"], decode_parts(row["parts"]), contents)
