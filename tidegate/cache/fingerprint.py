"""When two calls ask for the same answer: the canonical form of all that shapes it, hashed."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.core.values import Route
from tidegate.wire.call import Call

VERSION = b"1"
"""Part of every fingerprint: a change of these rules starts a new cache."""

IGNORED = frozenset(
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

DEFAULTS: dict[Route, dict[str, Any]] = {
    Route.CHAT: {
        "temperature": 1,
        "top_p": 1,
        "n": 1,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "logprobs": False,
        "top_logprobs": 0,
        "logit_bias": {},
        "parallel_tool_calls": True,
        "response_format": {"type": "text"},
        "service_tier": "auto",
        "modalities": ["text"],
        "store": False,
    },
    Route.RESPONSES: {
        "temperature": 1,
        "top_p": 1,
        "top_logprobs": 0,
        "parallel_tool_calls": True,
        "truncation": "disabled",
        "text": {"format": {"type": "text"}},
        "tools": [],
        "tool_choice": "auto",
        "include": [],
        "service_tier": "auto",
        "background": False,
        "store": True,
    },
    Route.EMBEDDINGS: {"encoding_format": "float"},
    Route.MODERATIONS: {"model": "omni-moderation-latest"},
}
"""OpenAI's own defaults (API reference): sending one is the same as leaving it out, and so is null."""

_encode = msgspec.json.Encoder(order="deterministic").encode
_WHOLE_FLOAT = re.compile(rb"\.0[,}\]]")
_NOT_SHAPING_HEADERS = frozenset({"idempotency-key", "x-client-request-id"})


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
    shaping = {name: value for name, value in headers.items() if name not in _NOT_SHAPING_HEADERS}
    encoded = _encode([VERSION, scope, call.route.value, shaping, shape])
    if _WHOLE_FLOAT.search(encoded):  # rare, and costly to look for in every value
        shape = _plain_numbers(shape)
        encoded = _encode([VERSION, scope, call.route.value, shaping, shape])
    return hashlib.blake2b(encoded, digest_size=20).hexdigest()


def canonical(call: Call) -> dict[str, Any]:
    """The body without what does not shape the answer; whole numbers written as such."""
    defaults = DEFAULTS[call.route]
    shape: dict[str, Any] = {}
    for name, value in call.body.items():
        if value is None or name in IGNORED:
            continue
        plain = int(value) if isinstance(value, float) and value.is_integer() else value
        if name not in defaults or not _same(plain, defaults[name]):
            shape[name] = plain
    if call.route is Route.CHAT and shape.get("tool_choice") == ("auto" if shape.get("tools") else "none"):
        del shape["tool_choice"]
    return shape


def _plain_numbers(value: Any) -> Any:
    """The value with 1 for each 1.0 in it."""
    if isinstance(value, dict):
        return {name: _plain_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _same(value: Any, default: Any) -> bool:
    # in Python True == 1, in JSON it is not
    return bool(value == default) and isinstance(value, bool) == isinstance(default, bool)
