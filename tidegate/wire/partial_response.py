"""Assemble a partial Response from its events, for a response that was cancelled or broke off."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Json = dict[str, Any]

_APPENDING_TO_PART = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "text",
}
"""Events that append to a part of an item's content, and the field that they append to."""
_APPENDING_TO_ITEM = {
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
    "response.mcp_call_arguments.delta": "arguments",
    "response.code_interpreter_call_code.delta": "code",
}
"""Events that append to a field of an item."""
_LEFT_OUT = ("name", "arguments", "input")
"""Fields of a call that some providers leave empty in its end."""


def assemble_partial(events: Iterable[Mapping[str, Any]]) -> Json | None:
    """Return the Response that these decoded events describe; unfinished items are `incomplete`.

    None if no event carries a Response.
    """
    response: Json | None = None
    items: dict[int, Json] = {}
    for event in events:
        if isinstance(event.get("response"), dict):
            response = dict(event["response"])
        else:
            _apply(items, event)
    if response is None:
        return None
    output = [_closed(items[index]) for index in sorted(items)]
    return {**response, "output": output or response.get("output") or []}


def assemble_items(events: Iterable[Mapping[str, Any]]) -> dict[int, Json]:
    """Return the items that these decoded events describe, by their index."""
    items: dict[int, Json] = {}
    for event in events:
        if not isinstance(event.get("response"), dict):
            _apply(items, event)
    return items


def _apply(items: dict[int, Json], event: Mapping[str, Any]) -> None:
    kind, index = str(event.get("type")), event.get("output_index")
    if not isinstance(index, int):
        return
    if kind == "response.output_item.added":
        items[index] = _copy(event["item"])
    elif kind == "response.output_item.done":
        items[index] = filled(event["item"], items.get(index))
    elif (item := items.get(index)) is not None:
        _append(item, kind, event)


def _append(item: Json, kind: str, event: Mapping[str, Any]) -> None:
    if kind in _APPENDING_TO_ITEM:
        field = _APPENDING_TO_ITEM[kind]
        item[field] = (item.get(field) or "") + event["delta"]
    elif kind in _APPENDING_TO_PART:
        field, part = _APPENDING_TO_PART[kind], _at(item.get("content"), event.get("content_index"))
        if part is not None:
            part[field] = (part.get(field) or "") + event["delta"]
    elif kind in _HANDLERS:
        _HANDLERS[kind](item, event)


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


def filled(item: Mapping[str, Any], known: Mapping[str, Any] | None) -> Json:
    """Return a finished item with what earlier events said of it, where its own end leaves that out."""
    whole = _copy(item)
    if known is None:
        return whole
    for name in _LEFT_OUT:
        if not whole.get(name) and known.get(name):
            whole[name] = known[name]
    for number, part in enumerate(whole.get("content") or ()):
        before = _at(known.get("content"), number)
        if before is not None and not part.get("text") and before.get("text"):
            whole["content"][number] = {**before, **{name: value for name, value in part.items() if value}}
    return whole


def _take_whole(field: str) -> Callable[[Json, Mapping[str, Any]], None]:
    def take(item: Json, event: Mapping[str, Any]) -> None:
        item[field] = event.get(field) or item.get(field)

    return take


def _whole_text(item: Json, event: Mapping[str, Any]) -> None:
    part = _at(item.get("content"), event.get("content_index"))
    if part is not None:
        part["text"] = event.get("text") or part.get("text", "")


_HANDLERS: dict[str, Callable[[Json, Mapping[str, Any]], None]] = {
    "response.content_part.added": _content_part,
    "response.content_part.done": _content_part,
    "response.reasoning_summary_part.added": _summary_part,
    "response.reasoning_summary_part.done": _summary_part,
    "response.reasoning_summary_text.delta": _summary_delta,
    "response.output_text.annotation.added": _annotation,
    "response.output_text.done": _whole_text,
    "response.function_call_arguments.done": _take_whole("arguments"),
    "response.custom_tool_call_input.done": _take_whole("input"),
}


def _copy(item: Mapping[str, Any]) -> Json:
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


def _closed(item: Json) -> Json:
    return {**item, "status": "incomplete"} if item.get("status") == "in_progress" else item
