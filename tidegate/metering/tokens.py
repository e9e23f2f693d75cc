"""Reads the upstream's `usage` object, in each of its forms, as one Usage. Used by the accountant.

Chat and embeddings have `prompt_tokens` and `completion_tokens`; Responses has `input_tokens` and `output_tokens`.
Anything else there is ignored: reading never raises.
"""

from typing import Any

import msgspec

from tidegate.core.values import Usage

MAX_TOKENS = 10_000_000
"""More tokens than any call can buy. A larger figure is cut to this one, which then counts as no figure."""

NO_USAGE = Usage()


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class _UsageObject(msgspec.Struct):
    prompt_tokens: int | None = None
    input_tokens: int | None = None
    completion_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


_strict = msgspec.json.Decoder(_UsageObject)
_any = msgspec.json.Decoder()
_NO_DETAILS = _Details()


def from_wire(raw: bytes | msgspec.Raw) -> Usage:
    """Return the usage in the JSON `raw`; missing, negative or malformed figures count as 0."""
    try:
        return _usage(_strict.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _usage(_lenient(raw))


def _usage(wire: _UsageObject) -> Usage:
    into = wire.prompt_tokens_details or wire.input_tokens_details or _NO_DETAILS
    out = wire.completion_tokens_details or wire.output_tokens_details or _NO_DETAILS
    bought = _clamped(wire.prompt_tokens or wire.input_tokens, MAX_TOKENS)
    output = _clamped(wire.completion_tokens or wire.output_tokens, MAX_TOKENS)
    if not bought and not output:  # an embedding has a total only, which is all input
        bought = _clamped(wire.total_tokens, MAX_TOKENS)
    return Usage(
        input=bought,
        cached=_clamped(into.cached_tokens, bought),
        output=output,
        reasoning=_clamped(out.reasoning_tokens, output),
        input_audio=_clamped(into.audio_tokens, bought),
        output_audio=_clamped(out.audio_tokens, output),
    )


def _clamped(count: int | None, maximum: int) -> int:
    return min(count, maximum) if count is not None and count > 0 else 0


def _lenient(raw: bytes | msgspec.Raw) -> _UsageObject:
    """Return the fields that have the expected types, of an object where others have not."""
    try:
        usage = _any.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _UsageObject()
    if not isinstance(usage, dict):
        return _UsageObject()
    fields: dict[str, Any] = {
        name: _details(usage.get(name)) if name.endswith("_details") else _count(usage.get(name))
        for name in _UsageObject.__struct_fields__
    }
    return _UsageObject(**fields)


def _details(value: Any) -> _Details | None:
    if not isinstance(value, dict):
        return None
    return _Details(**{name: _count(value.get(name)) for name in _Details.__struct_fields__})


def _count(value: Any) -> int | None:
    """Return a whole number; some compatible servers write 3.0 for 3."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) else None
