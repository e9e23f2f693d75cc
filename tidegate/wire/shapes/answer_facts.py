"""Find in a complete answer what decides whether it is worth storing, with as little decoding as possible."""

import base64
import math
import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tidegate.wire import sse
from tidegate.wire.shapes.tool_calls import is_json, is_usable_call

Json = dict[str, Any]

_NOT_OUTPUT = frozenset(
    {
        "annotations", "name", "obfuscation", "provider_specific_fields", "reasoning", "reasoning_content",
        "reasoning_details", "refusal", "role", "thinking", "thinking_blocks",
    }
)  # fmt: skip
"""Fields of a message or a delta that are no answer by themselves. An unknown field may be the answer."""
_NOT_OUTPUT_ITEMS = frozenset(
    {
        "code_interpreter_call", "compaction", "file_search_call", "mcp_call", "mcp_list_tools", "message", "reasoning",
        "tool_search_call", "tool_search_output", "web_search_call",
    }
)  # fmt: skip
"""Items of a Response that led to an answer, and are none; a message is one by its parts."""
_THOUGHTS = ("thinking", "reasoning")
_VALUE = re.compile(rb"\s*:\s*")
_ZEROS = re.compile(rb"\[[\s0.,eE+-]*")
_BASE64_ZEROS = re.compile(rb'"A*=*')
_BASE64_FLOATS = 16
"""Characters of a vector in base64 that are read, three floats: what is no number there is none anywhere."""


class _Choice(msgspec.Struct):
    index: int | None = 0
    delta: Json | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []


class _Part(msgspec.Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None


class _Item(msgspec.Struct):
    type: str = "message"
    content: list[_Part] | None = None
    name: str | None = None
    arguments: str | None = None


_chunk = msgspec.json.Decoder(_Chunk)
_items = msgspec.json.Decoder(list[_Item])


class MessageFacts(msgspec.Struct, frozen=True):
    """What a message, or all messages of an answer, hold."""

    has_output: bool
    is_refused: bool = False
    has_unusable_call: bool = False


def facts_of_messages(messages: Iterable[msgspec.Raw]) -> MessageFacts:
    """Return what the messages of a whole chat answer hold, each of them given as JSON."""
    each = [message for message in map(msgspec.json.decode, messages) if isinstance(message, dict)]
    has_output, is_refused, has_unusable_call = bool(each), False, False
    for message in each:
        has_output = has_output and _has_output(message)
        is_refused = is_refused or bool(message.get("refusal"))
        calls = message.get("tool_calls")
        has_unusable_call = has_unusable_call or (isinstance(calls, list) and not all(map(is_usable_call, calls)))
    return MessageFacts(has_output, is_refused, has_unusable_call)


def facts_of_stream(events: Sequence[bytes], choices: Iterable[int]) -> MessageFacts:
    """Return what the messages of a chat stream hold; its broken calls are known to the stream's mender.

    The end is looked at first: it nearly always has a part of the answer.
    """
    missing, is_refused = set(choices), False
    for event in reversed(events):
        if not missing:
            break
        if b'"delta"' not in event:
            continue
        for choice in _chunk.decode(sse.data_of(event) or b"{}").choices:
            delta = choice.delta or {}
            is_refused = is_refused or bool(delta.get("refusal"))
            if _has_output(delta):
                missing.discard(choice.index or 0)
    return MessageFacts(not missing, is_refused)


def _has_output(message: Mapping[str, Any]) -> bool:
    for name, value in message.items():  # noqa: SIM110  # a generator costs three more calls for each answer
        if value and name not in _NOT_OUTPUT and _is_output(value):
            return True
    return False


def _is_output(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value) and not value.isspace()
    if isinstance(value, list):
        return any(not isinstance(part, dict) or _is_output_part(part) for part in value)
    return bool(value)


def _is_output_part(part: Json) -> bool:
    if part.get("type") in _THOUGHTS:
        return False
    return _is_output(part["text"]) if "text" in part else bool(part)


def facts_of_output(output: bytes) -> MessageFacts:
    """Return what the output of a Response holds; `output` is its JSON."""
    try:
        items = _items.decode(output)
    except (msgspec.DecodeError, RecursionError):
        return MessageFacts(has_output=output not in (b"null", b""))  # of another form: it may be of use
    parts = [part for item in items for part in item.content or () if item.type == "message"]
    return MessageFacts(
        has_output=any(map(_is_output_text, parts)) or any(item.type not in _NOT_OUTPUT_ITEMS for item in items),
        is_refused=any(bool(part.refusal) for part in parts),
        has_unusable_call=any(item.type == "function_call" and not _can_run(item) for item in items),
    )


def _is_output_text(part: _Part) -> bool:
    """Whether a part of a message is an answer; one of an unknown type may be."""
    return _is_output(part.text) or (part.text is None and part.refusal is None)


def _can_run(item: _Item) -> bool:
    arguments = item.arguments or ""
    return bool(item.name) and (not arguments.strip() or is_json(arguments))


def has_vectors(body: bytes) -> bool:
    """Return whether an answer of embeddings has vectors that can be compared: numbers, and not all zero."""
    name, count = b'"embedding"', 0
    at = body.find(name)
    while at >= 0:
        value = _VALUE.match(body, at + len(name))
        if value is not None:  # else it is the type of an object
            count += 1
            if not _is_vector(body, value.end()):
                return False
        at = body.find(name, at + 1)
    return count > 0


def _is_vector(body: bytes, at: int) -> bool:
    """Return whether the JSON value at this place is a vector, by the first of its numbers that is not zero."""
    if zeros := _ZEROS.match(body, at):
        return body[zeros.end() : zeros.end() + 1].isdigit()
    zeros = _BASE64_ZEROS.match(body, at)
    if zeros is None or body[zeros.end() : zeros.end() + 1] == b'"':
        return False
    try:
        floats = array("f", base64.b64decode(body[at + 1 : at + 1 + _BASE64_FLOATS]))
    except ValueError:
        return True  # another encoding than that of floats
    return all(map(math.isfinite, floats))
