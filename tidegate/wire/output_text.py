"""Extract the texts of a partial or complete answer, to count their tokens if the upstream reported no usage."""

from collections.abc import Generator, Iterable, Iterator
from typing import Any

import msgspec

from tidegate.core.endpoints import Endpoint, Format
from tidegate.core.process.heavy_turns import at_once
from tidegate.wire import sse

TextPosition = tuple[Any, ...]
"""The position of a text in an answer; pieces with the same position are one text."""


_STEP_EVENTS = 200
"""Events that one step decodes, in less than a millisecond."""


def output_texts(route: Endpoint, events: Iterable[bytes]) -> list[str]:
    """Return all texts, refusals and tool calls in `events` (or in one body); unreadable events are ignored."""
    return at_once(output_texts_in_steps(route, events))


def output_texts_in_steps(route: Endpoint, events: Iterable[bytes]) -> Generator[None, None, list[str]]:
    """Return the same, in steps of some events."""
    texts_in = _chat if route.format is Format.CHAT else _response
    texts: dict[TextPosition, list[str]] = {}
    for number, event in enumerate(events, 1):
        if not number % _STEP_EVENTS:
            yield
        document = _document(event)
        for place, text in texts_in(document) if isinstance(document, dict) else ():
            if isinstance(text, str) and text:
                texts.setdefault(place, []).append(text)
    return ["".join(pieces) for pieces in texts.values()]


def _document(event: bytes) -> Any:
    data = event if event.lstrip()[:1] == b"{" else sse.data_of(event)
    try:
        return msgspec.json.decode(data) if data else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _chat(document: dict[str, Any]) -> Iterator[tuple[TextPosition, Any]]:
    for choice in _dicts(document.get("choices")):
        for place, text in _message(choice.get("delta") or choice.get("message")):
            yield (str(choice.get("index")), *place), text


def _message(message: Any) -> Iterator[tuple[TextPosition, Any]]:
    if not isinstance(message, dict):
        return
    yield ("thoughts",), _thoughts(message)
    for name in ("content", "refusal"):
        yield (name,), message.get(name)
    calls = [*_dicts(message.get("tool_calls")), {"function": message.get("function_call")}]
    for number, call in enumerate(calls):
        for tool in _dicts([call.get("function"), call.get("custom")]):
            for name in ("name", "arguments", "input"):
                yield ("call", str(call.get("index", number)), name), tool.get(name)


def _thoughts(message: dict[str, Any]) -> str:
    """Return the reasoning, from the first of the fields in which providers send it; some send it in two of them."""
    for name in ("reasoning_content", "reasoning"):
        if isinstance(text := message.get(name), str) and text:
            return text
    parts = _dicts(message.get("reasoning_details"))
    return "".join(text for part in parts for name in ("text", "summary") if isinstance(text := part.get(name), str))


def _response(document: dict[str, Any]) -> Iterator[tuple[TextPosition, Any]]:
    """Yield a stream's delta, or the items of a Response; a stream's terminal event repeats its deltas."""
    kind, place = str(document.get("type", "")), (str(document.get("output_index")),)
    if kind.endswith(".delta"):
        part = document.get("content_index", document.get("summary_index"))
        yield (*place, kind, str(part)), document.get("delta")
    elif kind == "response.output_item.added":  # the only part of an item without deltas
        for item in _dicts([document.get("item")]):
            yield (*place, "name"), item.get("name")
    else:
        for number, item in enumerate(_dicts(document.get("output"))):
            yield from (((number, *position), text) for position, text in _item(item))


def _item(item: dict[str, Any]) -> Iterator[tuple[TextPosition, Any]]:
    for name in ("name", "arguments", "input", "code"):
        yield (name,), item.get(name)
    for number, part in enumerate([*_dicts(item.get("content")), *_dicts(item.get("summary"))]):
        for name in ("text", "refusal"):
            yield (name, number), part.get(name)


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
