"""How much memory a JSON text takes once it is decoded, estimated without decoding it. Used before a large body is.

Lists and dictionaries of little are twenty times as large as their text: `[],[],…` is 3 bytes for each list of 80.
"""

from collections.abc import Generator

import msgspec

from tidegate.core.process.heavy_turns import at_once

_LIST_BYTES = 88
_DICT_BYTES = 200
_SCALAR_BYTES = 56
"""A short string or a number, with its place in the list or the dictionary."""
_DENSE = 8
"""So many times its length a text may take, by all its commas and brackets, before those in strings are told apart."""
_MANY_CONTAINERS = 50_000
"""As many, before those in strings are told apart."""
_WIDE_LEADS = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4")
"""The first bytes of characters beyond the basic plane, such as emoji: one of them makes a string four bytes wide."""
_STEP_BYTES = 256 * 1024
"""What is looked through at once, in less than a millisecond."""
_STRUCTURE_STEP_BYTES = 64 * 1024
"""The same where strings are told apart."""


class DecodedSize(msgspec.Struct, frozen=True):
    """What a JSON text becomes."""

    size: int
    """Bytes of memory, about."""
    containers: int
    """Lists and objects, at most."""


def decoded_size(text: bytes) -> DecodedSize:
    """Return what a JSON text becomes."""
    return at_once(decoded_size_in_steps(text))


def decoded_size_in_steps(text: bytes) -> Generator[None, None, DecodedSize]:
    """Return what a JSON text becomes; a step takes a millisecond at most.

    A text that is not dense takes what its strings take: to look closer would cost as much as to decode it.
    """
    structure, width = _Structure(), 1
    for start in range(0, len(text), _STEP_BYTES):
        end = start + _STEP_BYTES
        structure.add(text[start:end])
        width = max(width, _width(text[start : end + 2]))  # an escape may begin at the end of the one part
        yield
    strings = width * len(text)
    if structure.size > _DENSE * len(text) or structure.containers > _MANY_CONTAINERS:
        structure = yield from _structure_in_steps(text)
    size = strings + structure.size if structure.size > _DENSE * len(text) else strings
    return DecodedSize(size, structure.containers)


class _Structure:
    """The commas and brackets that were found so far."""

    def __init__(self) -> None:
        self._lists = self._dicts = self._commas = 0

    def add(self, text: bytes) -> None:
        """Count those of one part."""
        self._lists += text.count(b"[") if b"[" in text else 0  # to search is faster than to count
        self._dicts += text.count(b"{") if b"{" in text else 0
        self._commas += text.count(b",") if b"," in text else 0

    @property
    def containers(self) -> int:
        """Lists and objects."""
        return self._lists + self._dicts

    @property
    def size(self) -> int:
        """Bytes that all values take, but for their strings' characters."""
        scalars = max(0, self._commas - self.containers)
        return _SCALAR_BYTES * scalars + _LIST_BYTES * self._lists + _DICT_BYTES * self._dicts


def _width(text: bytes) -> int:
    """Return how many bytes a character may take, if all strings had the widest character of all."""
    if not text.isascii():
        return 4 if any(lead in text for lead in _WIDE_LEADS) else 2
    if b"\\" not in text or b"\\u" not in text:  # one byte is found faster than two
        return 1
    return 4 if b"\\ud" in text or b"\\uD" in text else 2


def _structure_in_steps(text: bytes) -> Generator[None, None, _Structure]:
    """Return what stands outside strings: commas and brackets in prose and code are none of the structure's."""
    structure, start, is_inside = _Structure(), 0, False
    while start < len(text):
        part = text[start : start + _STRUCTURE_STEP_BYTES]
        if (len(part) - len(part.rstrip(b"\\"))) % 2:  # an escape must not be cut
            part = text[start : start + len(part) + 1]
        start += len(part)
        unescaped = part.replace(b"\\\\", b"").replace(b'\\"', b"")
        quotes = unescaped.count(b'"')
        structure.add(unescaped if quotes > len(part) // 8 else _outside(unescaped.split(b'"'), is_inside=is_inside))
        is_inside ^= quotes % 2 == 1
        yield
    return structure


def _outside(pieces: list[bytes], *, is_inside: bool) -> bytes:
    """Return the pieces outside strings, of which the first may be `is_inside` one."""
    return b"".join(pieces[is_inside::2])
