"""Read a tar file as a stream, without trust: nothing is unpacked, no link is followed, memory is bounded.

`tarfile` reads names of any length into memory and keeps each member, so hostile files are read here. The formats are
ustar, GNU and pax (POSIX.1-2017, pax, "ustar Interchange Format").
"""

from collections.abc import Iterator
from typing import Protocol

import msgspec

BLOCK = 512
MAX_NAME_BYTES = 64 * 1024
"""The longest name or pax header that is read."""
MAX_SIZE = 2**50
_READ_BYTES = 256 * 1024

_FILES = b"0\x007S"
"""Types of members with content: regular, also in its old form, contiguous and sparse."""
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", b"x", b"g"


class InvalidTar(Exception):
    """The tar file ends early or contradicts itself."""


class Source(Protocol):
    """Something to read."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, and none at the end."""


class Content:
    """The content of one member. What the reader leaves is skipped."""

    def __init__(self, source: Source, size: int) -> None:
        self._source = source
        self.left = size

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, and none at the end. Raises InvalidTar if the file ends before."""
        wanted = min(size, self.left)
        if wanted == 0:
            return b""
        data = self._source.read(wanted)
        if not data:
            raise InvalidTar("it ends in the middle of a file")
        self.left -= len(data)
        return data


class Member(msgspec.Struct, frozen=True):
    """A file in the tar file, or an empty entry of another kind: a folder, a link, a device."""

    name: str
    size: int
    content: Content


def looks_like_tar(head: bytes) -> bool:
    """Return whether the first block is the header of a member."""
    return len(head) >= BLOCK and head[:BLOCK] != bytes(BLOCK) and _checksum_holds(head[:BLOCK])


def members(source: Source) -> Iterator[Member]:
    """Yield the members in their order; read each before the next one. Raises InvalidTar."""
    name, large_size = None, None
    while (header := _block(source)) is not None:
        if header == bytes(BLOCK):
            return  # the end; what follows is padding
        if not _checksum_holds(header):
            raise InvalidTar("it has a header with a wrong checksum")
        size, kind = _number(header[124:136]), header[156:157]
        if kind in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL):
            name, large_size = _extended(kind, _text(source, size), name)
            continue
        if kind == b"S":
            _skip_sparse_map(source, header)
        size = (size if large_size is None else large_size) if kind in _FILES else 0
        content = Content(source, size)
        yield Member(name or _short_name(header), size, content)
        name, large_size = None, None
        while content.read(_READ_BYTES):
            pass
        _exactly(source, -size % BLOCK, may_end=True)


def _block(source: Source) -> bytes | None:
    block = _exactly(source, BLOCK, may_end=True)
    return block or None


def _exactly(source: Source, size: int, *, may_end: bool = False) -> bytes:
    parts: list[bytes] = []
    left = size
    while left:
        data = source.read(left)
        if not data:
            if may_end and not parts:
                return b""
            raise InvalidTar("it ends in the middle of a header")
        parts.append(data)
        left -= len(data)
    return b"".join(parts)


def _text(source: Source, size: int) -> bytes:
    if size > MAX_NAME_BYTES:
        raise InvalidTar(f"it has a name or an extended header of {size} bytes")
    return _exactly(source, size + -size % BLOCK)[:size]


def _extended(kind: bytes, text: bytes, name: str | None) -> tuple[str | None, int | None]:
    """Return the name and the size that a header before a member gives to it."""
    if kind == _LONG_NAME:
        return text.rstrip(b"\0").decode(errors="replace"), None
    return _pax_fields(text, name) if kind == _PAX else (name, None)


def _pax_fields(text: bytes, name: str | None) -> tuple[str | None, int | None]:
    """Return the name and the size that an extended header gives to the next member. Raises InvalidTar."""
    size, start = None, 0
    while start < len(text):
        space = text.find(b" ", start)
        digits = text[start:space] if space > start else b""
        length = int(digits) if digits.isdigit() and len(digits) < 8 else 0
        if not len(digits) + 1 < length <= len(text) - start:
            raise InvalidTar("it has an extended header that is none")
        key, _, value = text[space + 1 : start + length - 1].partition(b"=")
        if key == b"path":
            name = value.decode(errors="replace")
        elif key == b"size":
            size = _bounded(int(value) if value.isdigit() and len(value) < 20 else -1)
        start += length
    return name, size


def _short_name(header: bytes) -> str:
    name, prefix = header[:100].split(b"\0")[0], header[345:500].split(b"\0")[0]
    has_prefix = header[257:262] == b"ustar" and header[257:265] != b"ustar  \0" and prefix
    return (prefix + b"/" + name if has_prefix else name).decode(errors="replace")


def _skip_sparse_map(source: Source, header: bytes) -> None:
    """Skip the blocks that continue the map of a sparse file (GNU format)."""
    more = header[482] == 1
    while more:
        more = _exactly(source, BLOCK)[504] == 1


def _checksum_holds(header: bytes) -> bool:
    try:
        stated = _number(header[148:156])
    except InvalidTar:
        return False
    return stated == sum(header) - sum(header[148:156]) + 8 * ord(" ")


def _number(field: bytes) -> int:
    """Return the number of a field: octal digits, or binary if the highest bit is set (GNU)."""
    if field[0] & 0x80:
        number = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    else:
        try:
            number = int(field.strip(b" \0") or b"0", 8)
        except ValueError:
            raise InvalidTar("it has a number that is none") from None
    return _bounded(number)


def _bounded(size: int) -> int:
    if not 0 <= size <= MAX_SIZE:
        raise InvalidTar("it has a file of an impossible size")
    return size
