"""A Response as far as its events have told it: what is kept of one that was cancelled or broke off."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Json = dict[str, Any]

_GROWING = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "text",
}
"""Events that lengthen a part of an item's content, and the field they lengthen."""
_GROWING_ITEMS = {
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
    "response.mcp_call_arguments.delta": "arguments",
    "response.code_interpreter_call_code.delta": "code",
}
"""Events that lengthen a field of an item."""


def assemble_partial(events: Iterable[Mapping[str, Any]]) -> Json | None:
    """The Response that these decoded events tell of; items that did not come to their end are `incomplete`.

    None where no event carries a Response.
    """
    response: Json | None = None
    items: dict[int, Json] = {}
    for event in events:
        if isinstance(event.get("response"), dict):
            response = dict(event["response"])
        else:
            _take(items, event)
    if response is None:
        return None
    output = [_ended(items[index]) for index in sorted(items)]
    return {**response, "output": output or response.get("output") or []}


def _take(items: dict[int, Json], event: Mapping[str, Any]) -> None:
    kind, index = str(event.get("type")), event.get("output_index")
    if not isinstance(index, int):
        return
    if kind in ("response.output_item.added", "response.output_item.done"):
        items[index] = _copied(event["item"])
    elif (item := items.get(index)) is not None:
        _grow(item, kind, event)


def _grow(item: Json, kind: str, event: Mapping[str, Any]) -> None:
    if kind in _GROWING_ITEMS:
        field = _GROWING_ITEMS[kind]
        item[field] = (item.get(field) or "") + event["delta"]
    elif kind in _GROWING:
        field, part = _GROWING[kind], _at(item.get("content"), event.get("content_index"))
        if part is not None:
            part[field] = (part.get(field) or "") + event["delta"]
    elif kind in _CHANGING:
        _CHANGING[kind](item, event)


def _content_part(item: Json, event: Mapping[str, Any]) -> None:
    _put(item.setdefault("content", []), event["content_index"], event["part"])


def _summary_part(item: Json, event: Mapping[str, Any]) -> None:
    _put(item.setdefault("summary", []), event["summary_index"], event["part"])


def _summary_delta(item: Json, event: Mapping[str, Any]) -> None:
    part = _at(item.get("summary"), event.get("summary_index"))
    if part is not None:
        part["text"] = part.get("text", "") + event["delta"]


def _annotation(item: Json, event: Mapping[str, Any]) -> None:
    part = _at(item.get("content"), event.get("content_index"))
    if part is not None:
        part["annotations"] = [*(part.get("annotations") or ()), event["annotation"]]


_CHANGING: dict[str, Callable[[Json, Mapping[str, Any]], None]] = {
    "response.content_part.added": _content_part,
    "response.content_part.done": _content_part,
    "response.reasoning_summary_part.added": _summary_part,
    "response.reasoning_summary_part.done": _summary_part,
    "response.reasoning_summary_text.delta": _summary_delta,
    "response.output_text.annotation.added": _annotation,
}


def _copied(item: Mapping[str, Any]) -> Json:
    lists = {name: [dict(part) for part in item[name]] for name in ("content", "summary") if _is_list(item.get(name))}
    return {**item, **lists}


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, dict) for part in value)


def _put(parts: list[Json], index: int, part: Mapping[str, Any]) -> None:
    if index < len(parts):
        parts[index] = dict(part)
    else:
        parts.append(dict(part))


def _at(parts: Any, index: Any) -> Json | None:
    if isinstance(parts, list) and isinstance(index, int) and 0 <= index < len(parts):
        part: Json = parts[index]
        return part
    return None


def _ended(item: Json) -> Json:
    return {**item, "status": "incomplete"} if item.get("status") == "in_progress" else item
