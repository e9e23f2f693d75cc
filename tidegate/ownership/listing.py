"""Reads what page of a list a caller wants, and writes it as OpenAI does. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tidegate.core.errors import InvalidParameter
from tidegate.wire.operations.operation import ObjectKind


class ListRules(msgspec.Struct, frozen=True):
    """What OpenAI's list of one kind does where the caller says nothing."""

    limit: int = 20
    max_limit: int = 100
    descending: bool = True


_USUAL = ListRules()
_RULES: Mapping[ObjectKind, ListRules] = {
    ObjectKind.FILE: ListRules(limit=10_000, max_limit=10_000),
    ObjectKind.EVAL: ListRules(descending=False),
}
_FILTERS: Mapping[ObjectKind, tuple[str, ...]] = {
    ObjectKind.FILE: ("purpose",),
    ObjectKind.CONTAINER: ("name",),
}
"""By kind, the query's parameters that must be equal to the object's field."""
_METADATA_KINDS = frozenset({ObjectKind.FINE_TUNING_JOB})
"""The kinds whose list takes `metadata[key]=value`."""


class ObjectListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The page that a caller wants."""

    kind: ObjectKind
    limit: int
    descending: bool
    after: str | None = None
    before: str | None = None
    fields: Mapping[str, str] = {}
    """The fields that an object must have, with their values."""
    metadata: Mapping[str, str] = {}


def list_query(kind: ObjectKind, parameters: Sequence[tuple[str, str]]) -> ObjectListQuery:
    """Return what the query's parameters request. Raises InvalidParameter."""
    values = dict(parameters)
    rules = _RULES.get(kind, _USUAL)
    order = values.get("order") or ("desc" if rules.descending else "asc")
    if order not in ("asc", "desc"):
        raise InvalidParameter(f"`order` is `asc` or `desc`, not '{order[:40]}'.", param="order")
    if values.get("order_by", "created_at") != "created_at":
        raise InvalidParameter("This gateway lists objects by `created_at` only.", param="order_by")
    return ObjectListQuery(
        kind=kind,
        limit=_limit(values.get("limit"), rules),
        descending=order == "desc",
        after=values.get("after") or None,
        before=values.get("before") or None,
        fields={name: values[name] for name in _FILTERS.get(kind, ()) if values.get(name)},
        metadata=_metadata(parameters) if kind in _METADATA_KINDS else {},
    )


def is_listed(document: bytes, query: ObjectListQuery) -> bool:
    """Return whether an object belongs to the list, by its JSON."""
    if not query.fields and not query.metadata:
        return True
    try:
        fields = msgspec.json.decode(document)
    except (msgspec.DecodeError, RecursionError):
        return False
    if not isinstance(fields, dict) or any(fields.get(name) != value for name, value in query.fields.items()):
        return False
    metadata = fields.get("metadata") or {}
    return isinstance(metadata, dict) and all(metadata.get(key) == value for key, value in query.metadata.items())


def list_answer(listed: Sequence[tuple[str, bytes]], *, has_more: bool) -> bytes:
    """Return the JSON of a page of objects, each with its id and its own bytes."""
    page: dict[str, Any] = {
        "object": "list",
        "data": [msgspec.Raw(document) for _, document in listed],
        "first_id": listed[0][0] if listed else None,
        "last_id": listed[-1][0] if listed else None,
        "has_more": has_more,
    }
    return msgspec.json.encode(page)


def _limit(text: str | None, rules: ListRules) -> int:
    if not text:
        return rules.limit
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InvalidParameter(f"`limit` is a number from 1 to {rules.max_limit}.", param="limit")
    if not 1 <= int(text) <= rules.max_limit:
        raise InvalidParameter(f"`limit` is from 1 to {rules.max_limit:,}, not {int(text):,}.", param="limit")
    return int(text)


def _metadata(parameters: Sequence[tuple[str, str]]) -> dict[str, str]:
    prefix = "metadata["
    return {
        name.removeprefix(prefix).removesuffix("]"): value
        for name, value in parameters
        if name.startswith(prefix) and name.endswith("]")
    }
