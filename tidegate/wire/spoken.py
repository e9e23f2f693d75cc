"""The text of an answer as far as it came, for counting its tokens when the upstream did not."""

from collections.abc import Iterable
from typing import Any

import msgspec

from tidegate.core.values import Route
from tidegate.wire import sse


def spoken(route: Route, events: Iterable[bytes]) -> str:
    """All text, refusals and tool arguments that `events` (or one whole body) hold; what cannot be read counts not."""
    read = _chat if route is Route.CHAT else _response
    return "".join(read(document) for event in events if isinstance(document := _document(event), dict))


def _document(event: bytes) -> Any:
    data = event if event.lstrip()[:1] == b"{" else sse.data_of(event)
    try:
        return msgspec.json.decode(data) if data else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _chat(document: dict[str, Any]) -> str:
    choices = document.get("choices")
    parts = [choice.get("delta") or choice.get("message") for choice in _dicts(choices)]
    return "".join(_message(part) for part in parts if isinstance(part, dict))


def _message(message: dict[str, Any]) -> str:
    texts = [message.get("reasoning_content"), message.get("content"), message.get("refusal")]
    for call in [*_dicts(message.get("tool_calls")), {"function": message.get("function_call")}]:
        for called in _dicts([call.get("function"), call.get("custom")]):
            texts += [called.get("name"), called.get("arguments"), called.get("input")]
    return "".join(text for text in texts if isinstance(text, str))


def _response(document: dict[str, Any]) -> str:
    """A delta of a stream, or the items of a whole Response; a stream's terminal event repeats its deltas."""
    kind, delta = str(document.get("type", "")), document.get("delta")
    if isinstance(delta, str) and kind.endswith(".delta"):
        return delta
    if kind == "response.output_item.added":  # the one thing of an item that comes in no delta
        return "".join(item["name"] for item in _dicts([document.get("item")]) if isinstance(item.get("name"), str))
    return "".join(_item(item) for item in _dicts(document.get("output")))


def _item(item: dict[str, Any]) -> str:
    texts = [item.get("name"), item.get("arguments"), item.get("input"), item.get("code")]
    for part in [*_dicts(item.get("content")), *_dicts(item.get("summary"))]:
        texts += [part.get("text"), part.get("refusal")]
    return "".join(text for text in texts if isinstance(text, str))


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
