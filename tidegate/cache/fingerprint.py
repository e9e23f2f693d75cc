"""Fingerprints: a hash over the canonical form of everything in a call that influences its answer."""

import hashlib
import re
from collections.abc import Generator, Mapping
from typing import Any

import msgspec

from tidegate.core.endpoints import Format
from tidegate.core.process.heavy_turns import at_once
from tidegate.wire.call import Call

VERSION = b"1"
"""Part of every fingerprint: increase it when these rules change, which starts a new cache."""

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
"""Fields that identify the caller or the transport, and do not influence the answer."""

_LARGE_VALUE = 4096
"""Bytes of a value that is hashed as it is written, in a large call."""
_STEP_BYTES = 1024 * 1024
_encode = msgspec.json.Encoder(order="deterministic").encode
_WHOLE_FLOAT = re.compile(rb"\.0[,}\]]")
_IGNORED_HEADERS = frozenset({"idempotency-key", "x-client-request-id"})


def shareable(call: Call) -> bool:
    """Return whether the answer may be given to another call.

    It may not if the call has other effects, as a remote tool has, or names a stored prompt without its version: its
    text may change. Storing a response is no such effect: the gateway stores it itself, for each caller.
    """
    prompt = call.body.get("prompt")
    if isinstance(prompt, dict) and not prompt.get("version"):
        return False
    tools = call.body.get("tools")
    return not isinstance(tools, list) or not any(
        isinstance(tool, dict) and tool.get("type") == "mcp" for tool in tools
    )


def fingerprint(call: Call, *, scope: str, headers: Mapping[str, str]) -> str:
    """Return 40 hexadecimal digits that are equal for equivalent calls within a scope.

    `headers` are the caller's headers that are forwarded upstream, with lower-case names.
    """
    shape: Any = canonical(call)
    shaping = headers
    if not _IGNORED_HEADERS.isdisjoint(headers):
        shaping = {name: value for name, value in headers.items() if name not in _IGNORED_HEADERS}
    if call.is_heavy:
        shape = _with_digests(call, shape)
    encoded = _encode([VERSION, scope, call.endpoint.path, shaping, shape])
    if _WHOLE_FLOAT.search(encoded):  # rare, and costly to look for in every value
        shape = _plain_numbers(shape)
        encoded = _encode([VERSION, scope, call.endpoint.path, shaping, shape])
    return hashlib.blake2b(encoded, digest_size=20).hexdigest()


def _with_digests(call: Call, shape: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the shape with the hashes of its large values, as they are written, in an object of their own.

    To encode a large value anew costs four times as much. So two large calls are equivalent if those are written alike.
    """
    known = call.digests or at_once(digests_in_steps(call))
    digests = {name: known[name] for name in shape if name in known}
    return [digests, {name: value for name, value in shape.items() if name not in digests}]


def digests_in_steps(call: Call) -> Generator[None, None, dict[str, str]]:
    """Return the hashes of a large call's large values, as they are written; a step takes a millisecond."""
    digests: dict[str, str] = {}
    for name, written in call.raw.items():
        text = memoryview(written)
        if text.nbytes < _LARGE_VALUE or name in IGNORED_FIELDS:
            continue
        digest = hashlib.sha256()
        for start in range(0, text.nbytes, _STEP_BYTES):
            digest.update(text[start : start + _STEP_BYTES])
            yield
        digests[name] = digest.hexdigest()
    return digests


def canonical(call: Call) -> dict[str, Any]:
    """Return the body without what does not influence the answer; whole floats become integers."""
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
    """Return the value with 1 for each 1.0 in it."""
    if isinstance(value, dict):
        return {name: _plain_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _equals_default(value: Any, default: Any) -> bool:
    # in Python True == 1, in JSON it is not
    return bool(value == default) and isinstance(value, bool) == isinstance(default, bool)
