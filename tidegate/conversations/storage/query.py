"""Reads the query parameters of the stateful routes.

These are `limit`, `order`, `after`, and the bracketed names that the SDKs send.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from tidegate.conversations.documents.include import checked_include
from tidegate.conversations.state_params import (
    MAX_METADATA_KEY_LENGTH,
    MAX_METADATA_PAIRS,
    MAX_METADATA_VALUE_LENGTH,
    checked_item_id,
)
from tidegate.core.errors import (
    AboveMaximum,
    BelowMinimum,
    InvalidParameter,
    PropertyNameTooLong,
    StringTooLong,
    TooManyProperties,
    WrongType,
)

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
_MAX_VALUE_LENGTH = 512
_MAX_PAIRS = 64
_METADATA = re.compile(r"metadata\[(.+)\]")

Order = Literal["asc", "desc"]
_ORDERS: tuple[Order, ...] = ("asc", "desc")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


class StoredListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query parameters of a stateful route."""

    after: str | None = None
    limit: int = DEFAULT_LIMIT
    order: Order = "desc"
    model: str | None = None
    metadata: dict[str, str] = {}
    include: frozenset[str] = frozenset()
    stream: bool = False
    starting_after: int | None = None


def read_query(pairs: Sequence[tuple[str, str]], *, order: Order = "desc") -> StoredListQuery:
    """Return the query of decoded pairs; `order` is the route's default. Raises InvalidParameter."""
    if len(pairs) > _MAX_PAIRS or any(len(name) + len(value) > 2 * _MAX_VALUE_LENGTH for name, value in pairs):
        raise InvalidParameter("The query is too long.")
    values = dict(pairs)
    return StoredListQuery(
        after=checked_item_id(values["after"], "after") if values.get("after") else None,
        limit=_whole_number(values, "limit", minimum=1, maximum=MAX_LIMIT) or DEFAULT_LIMIT,
        order=_order(values.get("order") or order),
        model=values.get("model") or None,
        metadata=_metadata(pairs),
        include=checked_include(_include(pairs)),
        stream=_flag(values, "stream"),
        starting_after=_whole_number(values, "starting_after", minimum=0, maximum=2**53),
    )


def _include(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return the names of `include[]=a&include[]=b`, `include=a,b` or `include[0]=a`, which mean the same."""
    return [
        part
        for name, value in pairs
        if name == "include" or (name.startswith("include[") and name.endswith("]"))
        for part in value.split(",")
        if part
    ]


def _metadata(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    wanted = {found[1]: value for name, value in pairs if (found := _METADATA.fullmatch(name))}
    if len(wanted) > MAX_METADATA_PAIRS:
        raise TooManyProperties.of("metadata", len(wanted), MAX_METADATA_PAIRS)
    for name, value in wanted.items():
        if len(name) > MAX_METADATA_KEY_LENGTH:
            raise PropertyNameTooLong.of("metadata", name, MAX_METADATA_KEY_LENGTH)
        if len(value) > MAX_METADATA_VALUE_LENGTH:
            raise StringTooLong.of(f"metadata.{name}", value, MAX_METADATA_VALUE_LENGTH)
    return wanted


def _order(value: str) -> Order:
    for order in _ORDERS:
        if value == order:
            return order
    raise InvalidParameter(f"Invalid value: '{value[:64]}'. Supported values are: 'asc' and 'desc'.", param="order")


def _whole_number(values: dict[str, str], name: str, *, minimum: int, maximum: int) -> int | None:
    value = values.get(name)
    if value is None or value == "":
        return None
    number = int(value) if value.isascii() and value.removeprefix("-").isdigit() and len(value) <= 16 else None
    if number is None:
        raise WrongType.of(name, "an integer", value)
    if number < minimum:
        raise BelowMinimum.of(name, number, minimum)
    if number > maximum:
        raise AboveMaximum.of(name, number, maximum)
    return number


def _flag(values: dict[str, str], name: str) -> bool:
    value = values.get(name, "").lower()
    if value and value not in _FLAGS:
        raise WrongType.of(name, "a boolean", value)
    return _FLAGS.get(value, False)
