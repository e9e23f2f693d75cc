"""Finds the ids of objects that a request names: in its path, its query, its form fields and its JSON. Pure.

A caller may be hostile: keys that stand twice are both searched, escapes are decoded, and depth and number are bounded.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from tidegate.core.errors import BodyNotJson, TooManyObjects
from tidegate.ownership.id_shapes import FREE_KEYS, PREFIXES, TEXT_KEYS, kind_named, kind_of_shape
from tidegate.ownership.owned_object import ObjectReference
from tidegate.wire.operations.operation import MatchedOperation, ObjectKind

MAX_REFERENCES = 5_000
"""Different objects that one request may name. OpenAI takes at most 2,000 in one list."""
MAX_DEPTH = 200
"""Objects and lists within each other."""

MAY_NAME = re.compile(
    rb'"(?:' + "|".join(PREFIXES).encode() + rb'|vector_store|container|ft)[-_:"]|:ft-'
    rb'|"(?:vector_store_ids|training_file|validation_file|(?:in|out)put_file_id|error_file_id|fine_tuning_job_id)"'
    rb'|"(?:character|consent)|\x00'
    rb"|\\u00(?:2[dD]|3[0-9aA]|[46][1-9a-fA-F]|[57][0-9aA]|5[fF])"
)
"""What stands in each JSON body that names an object: its id, the key above it, or an escape that could hide both.

A zero byte is in no JSON, but in that of another encoding, whose words this pattern cannot see.
"""


def path_references(match: MatchedOperation) -> Iterator[ObjectReference]:
    """Yield the objects that the parameters of the path name. A model of OpenAI's own belongs to no project."""
    for name, kind in match.operation.of.items():
        value = match.parameters[name]
        if kind is not ObjectKind.MODEL or kind_of_shape(value) is ObjectKind.MODEL:
            yield ObjectReference(value, kind, name)


def field_references(fields: Iterable[tuple[str, str]]) -> Iterator[ObjectReference]:
    """Yield the objects that fields of a form, or parameters of a query, name.

    A name may be written as `file_ids[]` or `tools[0][file_id]`, and a value may be JSON.
    """
    for name, value in fields:
        keys = [key for key in re.split(r"[\[\].]+", name) if key and not key.isdecimal()]
        key, holder = keys[-1] if keys else "", keys[-2] if len(keys) > 1 else ""
        if FREE_KEYS.intersection(keys):
            continue
        if value[:1] in ("{", "[") and key not in TEXT_KEYS:
            yield from _json_field(key, value)
        elif (kind := kind_named(key, holder, value)) is not None:
            yield ObjectReference(value, kind, name)


def body_references(body: bytes) -> tuple[ObjectReference, ...]:
    """Return the different objects that a JSON body names, at any depth.

    Raises BodyNotJson for what cannot be searched, and TooManyObjects.
    """
    if MAY_NAME.search(body) is None:
        return ()
    try:
        pairs = json.loads(body.removeprefix(codecs.BOM_UTF8).decode(), object_pairs_hook=tuple)
    except (ValueError, RecursionError) as error:
        raise BodyNotJson(f"The body cannot be read as JSON, so it was not sent: {type(error).__name__}.") from error
    return bounded(_walk(pairs))


def bounded(references: Iterable[ObjectReference]) -> tuple[ObjectReference, ...]:
    """Return each object once, in the order of the request. Raises TooManyObjects."""
    found: dict[str, ObjectReference] = {}
    for reference in references:
        found.setdefault(reference.id, reference)
        if len(found) > MAX_REFERENCES:
            raise TooManyObjects(param=reference.param)
    return tuple(found.values())


def _json_field(key: str, value: str) -> Iterator[ObjectReference]:
    try:
        pairs = json.loads(value, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return  # a text that begins like JSON
    yield from _walk(pairs, key)


def _walk(document: Any, first_key: str = "") -> Iterator[ObjectReference]:
    """Yield what a document names, whose objects are tuples of pairs. Raises TooManyObjects where it is too deep."""
    stack: list[tuple[Any, tuple[str, ...], int]] = [(document, (first_key,) if first_key else (), 0)]
    while stack:
        value, keys, depth = stack.pop()
        if isinstance(value, str):
            kind = kind_named(keys[-1] if keys else "", keys[-2] if len(keys) > 1 else "", value)
            if kind is not None:
                yield ObjectReference(value, kind, ".".join(keys))
        elif isinstance(value, (list, tuple)):
            if depth > MAX_DEPTH:
                raise TooManyObjects(f"The body has more than {MAX_DEPTH} levels, so it was not sent. Send fewer.")
            stack.extend(_below(value, keys, depth))


def _below(value: list[Any] | tuple[Any, ...], keys: tuple[str, ...], depth: int) -> Iterator[Any]:
    """Yield what is in a list or an object, the last one first, as a stack needs it."""
    for each in reversed(value):
        if isinstance(value, list):
            yield each, keys, depth + 1
        elif each[0] not in FREE_KEYS or not isinstance(each[1], tuple):
            yield each[1], (*keys[-7:], each[0]), depth + 1
