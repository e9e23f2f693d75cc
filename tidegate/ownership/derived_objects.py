"""Finds the objects that an upstream made while it worked on another one: the output file of a batch. Pure.

Only fields that the upstream itself writes are read: a caller's metadata is repeated in answers, too.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

import msgspec

from tidegate.ownership.owned_object import MAX_ID_LENGTH
from tidegate.wire.operations.operation import ObjectKind

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""Answers that name objects are small: OpenAI's largest page has 100 batches."""

_MADE: Mapping[str, Mapping[str, ObjectKind]] = {
    "batch": {"output_file_id": ObjectKind.FILE, "error_file_id": ObjectKind.FILE},
    "fine_tuning.job": {"fine_tuned_model": ObjectKind.MODEL, "result_files": ObjectKind.FILE},
    "fine_tuning.job.checkpoint": {"fine_tuned_model_checkpoint": ObjectKind.MODEL},
    "upload": {"file": ObjectKind.FILE},
}
"""By the answer's `object`, the fields that name what was made."""


class MadeObject(msgspec.Struct, frozen=True):
    """An object that an answer says was made."""

    id: str
    kind: ObjectKind
    created_at: float | None = None
    """Unix seconds, where the answer tells."""
    document: bytes | None = None
    """Its JSON, where the answer has it."""


def derived_objects(answer: bytes) -> Iterator[MadeObject]:
    """Yield what a JSON answer names as made by its object, or by those in its list."""
    if len(answer) > MAX_ANSWER_BYTES or b'"object"' not in answer:
        return
    try:
        document = msgspec.json.decode(answer)
    except (msgspec.DecodeError, RecursionError):
        return
    if not isinstance(document, dict):
        return
    listed = document.get("data") if document.get("object") == "list" else [document]
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict):
            yield from _made_by(each)


def made_object(answer: bytes, kind: ObjectKind, path: tuple[str, ...]) -> MadeObject | None:
    """Return the object that a JSON answer says was made; `path` are the keys to its id. None where there is none."""
    try:
        value = msgspec.json.decode(answer)
        holder = value
        for key in path[:-1]:
            holder = holder[key]
        object_id = holder[path[-1]]
    except (msgspec.DecodeError, RecursionError, KeyError, TypeError, IndexError):
        return None
    if not _is_id(object_id):
        return None
    keeps = kind is ObjectKind.FILE and len(path) == 1
    return MadeObject(object_id, kind, _created_at(holder), answer if keeps else None)


def _made_by(document: dict[str, Any]) -> Iterator[MadeObject]:
    fields = _MADE.get(str(document.get("object")), {})
    for name, kind in fields.items():
        value = document.get(name)
        for each in value if isinstance(value, list) else [value]:
            object_id = each.get("id") if isinstance(each, dict) else each
            if _is_id(object_id):
                yield MadeObject(object_id, kind, _created_at(each))


def _created_at(document: Any) -> float | None:
    value = document.get("created_at") if isinstance(document, dict) else None
    is_time = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11
    return float(value) if is_time and value is not None else None


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH and value.isprintable()
