"""The fields of an upstream's error beside message, type, param and code, as they may be passed on.

Azure says in `innererror` what its content filter found, OpenRouter in `metadata` which provider failed. They come from
outside: they are scrubbed of key material, and limited in size and depth.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.core.scrub import scrub, scrub_value

MAX_BYTES = 4096
"""Of all further fields together, as JSON. Fields that exceed it are left out; none is cut."""
_MAX_DEPTH = 8
_NOT_EXTRA = frozenset({"message", "type", "param", "code", "detail", "error", "headers", "sequence_number"})
"""The envelope's own fields, and those that Tidegate writes into an error event."""


def extra_fields(error: Mapping[str, Any]) -> dict[str, Any]:
    """Return the further fields of an error object, in their order, as many as the limits allow."""
    extra: dict[str, Any] = {}
    left = MAX_BYTES
    for name, value in error.items():
        if name in _NOT_EXTRA or not _is_shallow(value, _MAX_DEPTH):
            continue
        size = len(name) + len(msgspec.json.encode(value))
        if size <= left:
            extra[scrub(name)] = scrub_value(value)
            left -= size
    return extra


def _is_shallow(value: Any, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(_is_shallow(one, depth - 1) for one in inner)
