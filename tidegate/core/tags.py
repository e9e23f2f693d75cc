"""Tags: names with values that a caller gives a request, to group its cost by and to limit it. No I/O.

They come in the header `x-tidegate-tags`, or as values of the body's `metadata` whose names are configured. They do not
shape the answer: they are no part of the cache's fingerprint, and the header is not forwarded. Their number and their
lengths are bounded, because the ledger keeps them.
"""

import re
from collections.abc import Collection
from typing import Any

import msgspec

from tidegate.core.errors import InvalidParameter

HEADER = "x-tidegate-tags"
MAX_TAGS = 10
"""In one header, and names of `metadata` that may be configured."""
MAX_VALUE_LENGTH = 128
"""Characters."""
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
EVERY_VALUE = "*"
"""The value of a budget that holds for each value of a name, apart from those with a budget of their own."""

_NAME = re.compile(NAME_PATTERN)
_EXAMPLE = "`feature=search,tenant=acme`"
_MAX_SHOWN = 80
"""Characters of a malformed tag that an error repeats."""


class Tag(msgspec.Struct, frozen=True, order=True):
    """One name with its value."""

    name: str
    value: str

    @property
    def text(self) -> str:
        """Return it as callers write it."""
        return f"{self.name}={self.value}"


def parse_tag(text: str) -> Tag:
    """Return the tag that is written as `name=value`. Raises InvalidParameter."""
    name, separator, value = (part.strip() for part in text.partition("="))
    if not separator or not value:
        raise _invalid(text, "it has no value")
    if not _NAME.fullmatch(name):
        raise _invalid(
            text, "its name has 1 to 64 letters, digits, `_`, `.` and `-`, and begins with a letter or digit"
        )
    if len(value) > MAX_VALUE_LENGTH or not value.isprintable():
        raise _invalid(text, f"its value has at most {MAX_VALUE_LENGTH} printable characters")
    return Tag(name, value)


def read_tags(header: str | None, metadata: Any, metadata_names: Collection[str]) -> dict[str, str] | None:
    """Return the values of a request's tags by their names, None where it has none. Raises InvalidParameter.

    A tag in the header comes before one of `metadata`. Of that, only the names given count. Callers use it for other
    things, too: so a value is cut, and what is no text is passed over.
    """
    tags = {}
    if isinstance(metadata, dict):
        for name in metadata_names:
            value = metadata.get(name)
            if isinstance(value, str) and (plain := _plain(value)):
                tags[name] = plain
    if header is not None:
        tags |= _from_header(header)
    return tags or None


def _from_header(header: str) -> dict[str, str]:
    tags: dict[str, str] = {}
    for text in header.split(","):
        if not text.strip():
            continue
        if not text.isascii():
            raise _invalid(text, "a header holds ASCII only; send other letters in `metadata`")
        tag = parse_tag(text)
        if tag.name in tags:
            raise _invalid(text, "its name comes twice")
        tags[tag.name] = tag.value
    if len(tags) > MAX_TAGS:
        raise InvalidParameter(
            f"The request was not sent: `{HEADER}` has {len(tags)} tags, and {MAX_TAGS} are allowed. Send fewer."
        )
    return tags


def _plain(value: str) -> str:
    """Return a value as the ledger can hold it."""
    printable = "".join(character for character in value[:MAX_VALUE_LENGTH] if character.isprintable())
    return printable.strip()


def _invalid(text: str, reason: str) -> InvalidParameter:
    shown = text.strip()[:_MAX_SHOWN].encode("ascii", errors="backslashreplace").decode()
    return InvalidParameter(f"The tag '{shown}' is not valid: {reason}. Nothing was done. Write tags like {_EXAMPLE}.")
