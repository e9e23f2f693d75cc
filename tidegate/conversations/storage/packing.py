"""How a JSON document is laid down so that PostgreSQL can search it and every byte of it comes back. Pure.

jsonb holds neither NUL characters nor half surrogate pairs, and a row that holds 32 MB of image is slow to list.
So what goes into jsonb has U+FFFD for the first two and little or nothing for long strings; wherever that is not the
whole truth the exact bytes are kept beside it, and long strings apart, by their hash.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

MAX_INLINE_BYTES = 64 * 1024
"""Bytes of a JSON string that are kept in the row."""
_MAX_SEARCHED_BYTES = 16 * 1024
"""Bytes of a longer text that remain in jsonb, to be searched."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ESCAPE = re.compile(
    rb"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_DATA = re.compile(rb'"(?:data:|[A-Za-z0-9+/_=-]{1024})')


class LargePart(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the exact bytes an empty string stands for a long one."""

    at: int
    hash: str
    """SHA-256 of the long string's JSON, in hexadecimal."""
    data: bool
    """It is an image or a file, and no text."""


_decode_parts = msgspec.json.Decoder(tuple[LargePart, ...])


class PackedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document, laid down."""

    document: str
    """For jsonb."""
    exact: bytes | None
    """The document with empty strings for long ones; None where jsonb tells all."""
    parts: tuple[LargePart, ...]
    contents: Mapping[str, bytes]
    """The long strings' JSON by hash."""


def pack(document: bytes, *, max_inline_bytes: int = MAX_INLINE_BYTES) -> PackedDocument:
    """Lay a document down; strings of more than `longest` bytes apart. Raises UnicodeDecodeError."""
    apart = _split(document, max_inline_bytes) if len(document) > max_inline_bytes else (document, document, (), {})
    shown, exact, parts, contents = apart
    clean = jsonb_safe(shown)
    kept = None if not parts and clean == document else exact
    return PackedDocument(document=clean.decode(), exact=kept, parts=parts, contents=contents)


def unpack(
    document: str, exact: bytes | None, parts: tuple[LargePart, ...] = (), contents: Mapping[str, bytes] | None = None
) -> bytes:
    """The document again; `null` where a part's content is not given."""
    if exact is None:
        return document.encode()
    pieces: list[bytes] = []
    begin = 0
    for part in parts:
        pieces += (exact[begin : part.at], (contents or {}).get(part.hash, b"null"))
        begin = part.at + 2
    return b"".join((*pieces, exact[begin:]))


def jsonb_safe(text: bytes) -> bytes:
    """JSON that jsonb takes: U+FFFD for NUL and for half surrogate pairs."""
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[2] else found[0], text) if b"\\u" in text else text


def _split(document: bytes, longest: int) -> tuple[bytes, bytes, tuple[LargePart, ...], dict[str, bytes]]:
    """For jsonb, exactly, and what was taken out of it."""
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
    """A long text's beginning, cut where neither an escape nor a character is broken."""
    head = re.sub(rb"\\[^\\]{0,11}$", b"", text[:-1][:_MAX_SEARCHED_BYTES].replace(rb"\\", rb"\u005c"))
    return head.decode(errors="ignore").encode() + b'"'


def decode_parts(column: str | None) -> tuple[LargePart, ...]:
    """The parts that a row's column names."""
    return () if column is None else _decode_parts.decode(column)


def unpack_row(row: Any, contents: Mapping[str, bytes]) -> bytes:
    """The document of a row with the columns `document`, `exact` and `parts`."""
    if row["exact"] is None:
        shown: str = row["document"]
        return shown.encode()
    return unpack(row["document"], row["exact"], decode_parts(row["parts"]), contents)
