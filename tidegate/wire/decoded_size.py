"""How much memory a JSON text takes once it is decoded, estimated without decoding it. Used before a large body is.

Lists and dictionaries of little are twenty times as large as their text: `[],[],…` is 3 bytes for each list of 80.
"""

_LIST_BYTES = 88
_DICT_BYTES = 200
_SCALAR_BYTES = 56
"""A short string or a number, with its place in the list or the dictionary."""
_MAX_NESTING = 2048
"""More levels than a text may be nested."""
_DENSE = 8
"""So many times its length a text may take, by all its commas and brackets, before those in strings are told apart."""
_WIDE_LEADS = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4")
"""The first bytes of characters beyond the basic plane, such as emoji: one of them makes a string four bytes wide."""


def decoded_size(text: bytes) -> int:
    """Return about how many bytes the values of a JSON text take in memory.

    A text that is not dense takes what its strings take: to look closer would cost as much as to decode it.
    """
    strings = len(text) * _width(text)
    if _DICT_BYTES * (text.count(b",") + _MAX_NESTING) <= _DENSE * len(text):
        return strings  # values are separated by commas, or nested in one another
    values = _values_size(text)
    if values > _DENSE * len(text):
        values = _values_size(_without_strings(text))
    return strings + values if values > _DENSE * len(text) else strings


def _values_size(text: bytes) -> int:
    lists, dicts = text.count(b"["), text.count(b"{")
    scalars = max(0, text.count(b",") - lists - dicts)
    return _SCALAR_BYTES * scalars + _LIST_BYTES * lists + _DICT_BYTES * dicts


def _width(text: bytes) -> int:
    """Return how many bytes a character may take, if all strings had the widest character of all."""
    if not text.isascii():
        return 4 if any(lead in text for lead in _WIDE_LEADS) else 2
    if b"\\" not in text or b"\\u" not in text:  # one byte is found faster than two
        return 1
    return 4 if b"\\ud" in text or b"\\uD" in text else 2


def _without_strings(text: bytes) -> bytes:
    """Return what stands outside strings: commas and brackets in prose and code are none of the structure's."""
    unescaped = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if unescaped.count(b'"') > len(text) // 64:
        return unescaped  # so many short strings are structure for the most part, and would be as many pieces
    return b"".join(unescaped.split(b'"')[::2])
