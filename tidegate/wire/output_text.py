"""The texts of an answer as far as they came, for counting their tokens when the upstream did not."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from tidegate.core.endpoints import Endpoint, Format
from tidegate.wire import sse

TextPosition = tuple[Any, ...]
"""Where in an answer a text stands: what has the same place is one text."""


def output_texts(route: Endpoint, events: Iterable[bytes]) -> list[str]:
    """All texts, refusals and tool calls that `events` (or one whole body) hold; what cannot be read counts not."""
    read = _chat if route.format is Format.CHAT else _response
    texts: dict[TextPosition, list[str]] = {}
    for event in events:
        document = _document(event)
        for place, text in read(document) if isinstance(document, dict) else ():
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
    for name in ("reasoning_content", "content", "refusal"):
        yield (name,), message.get(name)
    calls = [*_dicts(message.get("tool_calls")), {"function": message.get("function_call")}]
    for number, call in enumerate(calls):
        for called in _dicts([call.get("function"), call.get("custom")]):
            for name in ("name", "arguments", "input"):
                yield ("call", str(call.get("index", number)), name), called.get(name)


def _response(document: dict[str, Any]) -> Iterator[tuple[TextPosition, Any]]:
    """A delta of a stream, or the items of a whole Response; a stream's terminal event repeats its deltas."""
    kind, place = str(document.get("type", "")), (str(document.get("output_index")),)
    if kind.endswith(".delta"):
        part = document.get("content_index", document.get("summary_index"))
        yield (*place, kind, str(part)), document.get("delta")
    elif kind == "response.output_item.added":  # the one thing of an item that comes in no delta
        for item in _dicts([document.get("item")]):
            yield (*place, "name"), item.get("name")
    else:
        for number, item in enumerate(_dicts(document.get("output"))):
            yield from (((number, *inside), text) for inside, text in _item(item))


def _item(item: dict[str, Any]) -> Iterator[tuple[TextPosition, Any]]:
    for name in ("name", "arguments", "input", "code"):
        yield (name,), item.get(name)
    for number, part in enumerate([*_dicts(item.get("content")), *_dicts(item.get("summary"))]):
        for name in ("text", "refusal"):
            yield (name, number), part.get(name)


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
