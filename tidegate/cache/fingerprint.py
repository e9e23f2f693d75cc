"""When two calls ask for the same answer: the canonical form of all that shapes it, hashed."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.core.endpoints import Format
from tidegate.wire.call import Call

VERSION = b"1"
"""Part of every fingerprint: a change of these rules starts a new cache."""

IGNORED_FIELDS = frozenset(
    {
        "user",
        "safety_identifier",
        "metadata",
        "stream",
        "stream_options",
        "prompt_cache_key",
        "prompt_cache_retention",
    }
)
"""Fields that say who asks, or how the answer travels, and do not shape it."""

_encode = msgspec.json.Encoder(order="deterministic").encode
_WHOLE_FLOAT = re.compile(rb"\.0[,}\]]")
_IGNORED_HEADERS = frozenset({"idempotency-key", "x-client-request-id"})


def shareable(call: Call) -> bool:
    """Whether the call's answer may serve another: not where asking has an effect beyond it, as a remote tool has.

    What is kept of a call is kept here, for each caller, and is no effect of asking.
    """
    tools = call.body.get("tools")
    return not isinstance(tools, list) or not any(
        isinstance(tool, dict) and tool.get("type") == "mcp" for tool in tools
    )


def fingerprint(call: Call, *, scope: str, headers: Mapping[str, str]) -> str:
    """40 hexadecimal digits that are equal for calls that ask the same within a scope.

    `headers` are those of the caller that go upstream, with lower-case names.
    """
    shape: Any = canonical(call)
    shaping = {name: value for name, value in headers.items() if name not in _IGNORED_HEADERS}
    encoded = _encode([VERSION, scope, call.endpoint.path, shaping, shape])
    if _WHOLE_FLOAT.search(encoded):  # rare, and costly to look for in every value
        shape = _plain_numbers(shape)
        encoded = _encode([VERSION, scope, call.endpoint.path, shaping, shape])
    return hashlib.blake2b(encoded, digest_size=20).hexdigest()


def canonical(call: Call) -> dict[str, Any]:
    """The body without what does not shape the answer; whole numbers written as such."""
    defaults = call.endpoint.defaults
    shape: dict[str, Any] = {}
    for name, value in call.body.items():
        if value is None or name in IGNORED_FIELDS:
            continue
        plain = int(value) if isinstance(value, float) and value.is_integer() else value
        if name not in defaults or not _equals_default(plain, defaults[name]):
            shape[name] = plain
    if call.endpoint.format is Format.CHAT and shape.get("tool_choice") == ("auto" if shape.get("tools") else "none"):
        del shape["tool_choice"]
    return shape


def _plain_numbers(value: Any) -> Any:
    """The value with 1 for each 1.0 in it."""
    if isinstance(value, dict):
        return {name: _plain_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _equals_default(value: Any, default: Any) -> bool:
    # in Python True == 1, in JSON it is not
    return bool(value == default) and isinstance(value, bool) == isinstance(default, bool)
