"""Read the upstream's `usage` object, in each form that providers send, as one Usage.

Chat and embeddings have `prompt_tokens` and `completion_tokens`; Responses has `input_tokens` and `output_tokens`.
Providers differ in where they state cached tokens, and in what their figures include. Where two readings are possible,
the reading that costs more is taken, so that no call is charged less than its bill (docs/reference/usage-shapes.md).
Anything else in the object is ignored: reading never raises.
"""

from typing import Annotated, Any, TypeVar

import msgspec

from tidegate.core.values import Usage

MAX_TOKENS = 10_000_000
"""More tokens than any call can buy. A larger figure is cut to this one, which then counts as no figure."""

NO_USAGE = Usage()
_Counts = TypeVar("_Counts", bound=msgspec.Struct)


class _CachedKinds(msgspec.Struct):
    """The kinds of the cached input."""

    audio_tokens: int | None = None
    image_tokens: int | None = None


class _Lifetimes(msgspec.Struct):
    """The tokens written to Anthropic's cache, by the lifetime of the entry: Anthropic's names, and Bifrost's."""

    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None
    cached_write_tokens_5m: int | None = None
    cached_write_tokens_1h: int | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    cached_tokens_details: _CachedKinds | None = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cached_creation_tokens: int | None = None
    cached_read_tokens: int | None = None
    cached_write_tokens: int | None = None
    cache_creation: _Lifetimes | None = None
    cache_creation_token_details: _Lifetimes | None = None
    cached_write_token_details: _Lifetimes | None = None
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


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
    prompt_token_details: _Details | None = None
    input_token_details: _Details | None = None
    completion_token_details: _Details | None = None
    output_token_details: _Details | None = None
    cached_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _Lifetimes | None = None
    claude_cache_creation_5_m_tokens: int | None = None
    claude_cache_creation_1_h_tokens: int | None = None
    reasoning_tokens: int | None = None
    citation_tokens: int | None = None

    def input_details(self) -> _Details | None:
        """Return the details of the input where they are named in the singular, as in OpenAI's Realtime and threads."""
        return self.prompt_token_details or self.input_token_details

    def output_details(self) -> _Details | None:
        """Return those of the output."""
        return self.completion_token_details or self.output_token_details


_Zero = Annotated[int, msgspec.Meta(ge=0, le=0)]
_Tokens = Annotated[int, msgspec.Meta(ge=0, lt=MAX_TOKENS)]


class _PlainInto(msgspec.Struct, forbid_unknown_fields=True):
    cached_tokens: _Tokens = 0
    audio_tokens: _Zero = 0


class _PlainOut(msgspec.Struct, forbid_unknown_fields=True):
    reasoning_tokens: _Tokens = 0
    audio_tokens: _Zero = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


_PLAIN_INTO, _PLAIN_OUT = _PlainInto(), _PlainOut()


class _PlainChat(msgspec.Struct, forbid_unknown_fields=True):
    """The usage as OpenAI itself states it of text: it leaves nothing to decide, and most answers have it."""

    total_tokens: _Tokens
    input: _Tokens = msgspec.field(name="prompt_tokens")
    output: _Tokens = msgspec.field(name="completion_tokens", default=0)
    into: _PlainInto | None = msgspec.field(name="prompt_tokens_details", default=None)
    out: _PlainOut | None = msgspec.field(name="completion_tokens_details", default=None)


class _PlainResponse(msgspec.Struct, forbid_unknown_fields=True):
    """The same of a Response."""

    total_tokens: _Tokens
    input: _Tokens = msgspec.field(name="input_tokens")
    output: _Tokens = msgspec.field(name="output_tokens", default=0)
    into: _PlainInto | None = msgspec.field(name="input_tokens_details", default=None)
    out: _PlainOut | None = msgspec.field(name="output_tokens_details", default=None)


_plain_chat, _plain_response = msgspec.json.Decoder(_PlainChat), msgspec.json.Decoder(_PlainResponse)
_strict = msgspec.json.Decoder(_UsageObject)
_any = msgspec.json.Decoder()
_NO_DETAILS = _Details()
_ANTHROPICS_CACHE = ("cache_read_input_tokens", "cache_creation_input_tokens")
_OBJECTS: dict[str, type[msgspec.Struct]] = {
    "cached_tokens_details": _CachedKinds,
    "cache_creation": _Lifetimes,
    "cache_creation_token_details": _Lifetimes,
    "cached_write_token_details": _Lifetimes,
}
"""The objects among the details."""


def from_wire(raw: bytes) -> Usage:
    """Return the usage in the JSON `raw`; missing, negative or malformed figures count as 0."""
    try:
        plain = _plain_chat.decode(raw) if b'"prompt_tokens"' in raw else _plain_response.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _from_any_shape(raw)
    into, out = plain.into or _PLAIN_INTO, plain.out or _PLAIN_OUT
    cached, reasoning = into.cached_tokens, out.reasoning_tokens
    if plain.input + plain.output != plain.total_tokens or cached > plain.input or reasoning > plain.output:
        return _from_any_shape(raw)
    return Usage(input=plain.input, cached=cached, output=plain.output, reasoning=reasoning)


def _from_any_shape(raw: bytes) -> Usage:
    try:
        return _usage(_strict.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _usage(_lenient(_decoded(raw)))


def from_object(usage: Any) -> Usage:
    """Return the usage in an object that is decoded already."""
    return _usage(_lenient(usage))


def tier_of(raw: bytes) -> str | None:
    """Return the service tier that a usage object states, as some providers do; None if it states none."""
    stated = _decoded(raw) if b'"service_tier"' in raw else None
    tier = stated.get("service_tier") if isinstance(stated, dict) else None
    return tier if isinstance(tier, str) else None


def merged(earlier: bytes, later: bytes) -> bytes:
    """Return one usage object of two that the same stream stated: of each figure the greater one.

    Providers that state usage with each chunk count on from chunk to chunk, or fill in a part with each. A later object
    of zeros takes nothing back. What is no object is ignored.
    """
    if earlier == later:
        return later
    first, second = _decoded(earlier), _decoded(later)
    if not isinstance(second, dict):
        return earlier
    return msgspec.json.encode(merged_objects(first, second)) if isinstance(first, dict) else later


def merged_objects(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return the same as `merged` for objects that are decoded already."""
    result = {**first, **{name: value for name, value in second.items() if value is not None}}
    for name in first.keys() & second.keys():
        one, other = first[name], second[name]
        if isinstance(one, dict) and isinstance(other, dict):
            result[name] = merged_objects(one, other)
        elif (count := _count(one)) is not None and count > (_count(other) or 0):
            result[name] = one
    return result | _rest_of_the_prompt(first, second)


def _rest_of_the_prompt(first: dict[str, Any], second: dict[str, Any]) -> dict[str, int]:
    """Return the input that the later object states, if it is what the cache left of the earlier one's.

    Anthropic's servers may state the whole prompt first, and its parts at the end: the sum of the parts is no less.
    """
    cached = sum(_count(second.get(name)) or 0 for name in _ANTHROPICS_CACHE)
    counts = {name: (_count(first.get(name)), _count(second.get(name))) for name in ("prompt_tokens", "input_tokens")}
    return {
        name: rest
        for name, (all_of_it, rest) in counts.items()
        if all_of_it and rest and rest < all_of_it <= rest + cached
    }


def _usage(wire: _UsageObject) -> Usage:
    into = wire.prompt_tokens_details or wire.input_tokens_details or wire.input_details() or _NO_DETAILS
    out = wire.completion_tokens_details or wire.output_tokens_details or wire.output_details() or _NO_DETAILS
    bought = _most(wire.prompt_tokens, wire.input_tokens)
    output = _most(wire.completion_tokens, wire.output_tokens)
    total = _most(wire.total_tokens)
    if not bought and not output:  # an embedding has a total only, which is all input
        bought, total = total, 0
    cached, written = _cached(wire, into), _written(wire, into)
    for_minutes = for_an_hour = 0
    if (
        wire.cache_creation
        or wire.claude_cache_creation_5_m_tokens
        or wire.claude_cache_creation_1_h_tokens
        or into.cache_creation
        or into.cache_creation_token_details
        or into.cached_write_token_details
    ):
        for_minutes, for_an_hour = _by_lifetime(wire, into)
        written = max(written, for_minutes + for_an_hour)
    reasoning = _most(out.reasoning_tokens, wire.reasoning_tokens)
    if cached or written:
        bought, cached, written = _with_cache(wire, bought, output, cached=cached, written=written, reasoning=reasoning)
    if bought + output < total < MAX_TOKENS:
        output = total - bought
    if wire.citation_tokens or reasoning > output:
        bought, output = bought + _most(wire.citation_tokens), output + reasoning
    bought, output = min(bought, MAX_TOKENS), min(output, MAX_TOKENS)
    usage = Usage(
        input=bought,
        cached=min(cached, bought),
        cache_write=min(written, bought),
        cache_write_1h=_written_for_an_hour(min(written, bought), for_minutes, for_an_hour) if for_an_hour else 0,
        output=output,
        reasoning=min(reasoning, output),
    )
    return _with_kinds(usage, into, out, cached) if _has_kinds(into) or _has_kinds(out) else usage


def _has_kinds(details: _Details) -> bool:
    return bool(details.audio_tokens or details.image_tokens or details.cached_tokens_details)


def _with_kinds(usage: Usage, into: _Details, out: _Details, cached: int) -> Usage:
    """Return the usage with its audio and image tokens, which are parts of the input, the cached and the output."""
    kinds = into.cached_tokens_details or _CachedKinds()
    return msgspec.structs.replace(
        usage,
        input_audio=_clamped(into.audio_tokens, usage.input),
        cached_audio=_clamped(kinds.audio_tokens, cached),
        input_image=_clamped(into.image_tokens, usage.input),
        cached_image=_clamped(kinds.image_tokens, cached),
        output_audio=_clamped(out.audio_tokens, usage.output),
        output_image=_clamped(out.image_tokens, usage.output),
    )


def _cached(wire: _UsageObject, into: _Details) -> int:
    """Return the cached tokens: the smallest figure that is stated, since each cached token lowers the cost.

    Proxies fill OpenAI's own field with 0 beside the provider's figure, so a 0 says nothing. Bifrost's `cached_tokens`
    include the written ones, which it states beside them.
    """
    own = into.cached_tokens
    if own is not None and into.cached_write_tokens:
        own = (own - into.cached_write_tokens) if into.cached_read_tokens is None else None
    stated = (
        own,
        into.cached_read_tokens,
        wire.cached_tokens,
        wire.prompt_cache_hit_tokens,
        wire.cache_read_input_tokens,
    )
    if not any(stated):
        return 0
    return min((_clamped(count, MAX_TOKENS) for count in stated if count is not None and count > 0), default=0)


def _written(wire: _UsageObject, into: _Details) -> int:
    """Return the tokens written to the cache: the greatest figure that is stated, since writing costs more."""
    return _most(
        into.cache_write_tokens,
        into.cache_creation_tokens,
        into.cache_creation_input_tokens,
        into.cached_creation_tokens,
        into.cached_write_tokens,
        wire.cache_creation_input_tokens,
    )


def _by_lifetime(wire: _UsageObject, into: _Details) -> tuple[int, int]:
    """Return the tokens that are stated as written for five minutes, and for an hour; of each the greatest figure."""
    stated = (
        wire.cache_creation,
        into.cache_creation,
        into.cache_creation_token_details,
        into.cached_write_token_details,
    )
    each = [lifetimes for lifetimes in stated if lifetimes is not None]
    for_minutes, for_an_hour = wire.claude_cache_creation_5_m_tokens, wire.claude_cache_creation_1_h_tokens
    for one in each:
        for_minutes = _most(for_minutes, one.ephemeral_5m_input_tokens, one.cached_write_tokens_5m)
        for_an_hour = _most(for_an_hour, one.ephemeral_1h_input_tokens, one.cached_write_tokens_1h)
    return _most(for_minutes), _most(for_an_hour)


def _written_for_an_hour(written: int, for_minutes: int, for_an_hour: int) -> int:
    """Return how many of the written tokens were written for an hour.

    Where any were, those whose lifetime is not stated count among them, since they cost more.
    """
    return min(written, max(for_an_hour, written - for_minutes))


def _with_cache(
    wire: _UsageObject, bought: int, output: int, *, cached: int, written: int, reasoning: int
) -> tuple[int, int, int]:
    """Return the whole input, its cached and its written part.

    OpenAI's input includes both. Anthropic's excludes both, and some proxies exclude one. The total tells which, where
    it is the sum of one reading. Else the input excludes them where it is the smaller, or where Anthropic's names are
    used and no total is stated.
    """
    total = _most(wire.total_tokens)
    beyond = total - bought - output
    if total and beyond == 0:
        return bought, cached if cached <= bought else 0, written
    for apart in (cached + written, written, cached):
        if apart and beyond in (apart, apart + reasoning):
            return bought + apart, cached, written
    names = wire.cache_read_input_tokens or wire.cache_creation_input_tokens
    if (names and not total) or cached + written > bought:
        return bought + cached + written, cached, written
    return bought, cached, written


def _most(*counts: int | None) -> int:
    return min(max(0, max(filter(None, counts), default=0)), MAX_TOKENS)


def _clamped(count: int | None, maximum: int) -> int:
    return min(count, maximum) if count is not None and count > 0 else 0


def _decoded(raw: bytes | msgspec.Raw) -> Any:
    try:
        return _any.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _lenient(usage: Any) -> _UsageObject:
    """Return the fields that have the expected types, of an object where others have not."""
    if not isinstance(usage, dict):
        return _UsageObject()
    fields: dict[str, Any] = {
        name: _details(usage.get(name)) if name.endswith("_details") else _count(usage.get(name))
        for name in _UsageObject.__struct_fields__
        if name != "cache_creation"
    }
    return _UsageObject(**fields, cache_creation=_counts(_Lifetimes, usage.get("cache_creation")))


def _details(value: Any) -> _Details | None:
    if not isinstance(value, dict):
        return None
    fields: dict[str, Any] = {
        name: _counts(_OBJECTS[name], value.get(name)) if name in _OBJECTS else _count(value.get(name))
        for name in _Details.__struct_fields__
    }
    return _Details(**fields)


def _counts(kind: type[_Counts], value: Any) -> _Counts | None:
    """Return an object of counts; None where the value is no object."""
    return (
        kind(**{name: _count(value.get(name)) for name in kind.__struct_fields__}) if isinstance(value, dict) else None
    )


def _count(value: Any) -> int | None:
    """Return a whole number; some compatible servers write 3.0 for 3."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) else None
