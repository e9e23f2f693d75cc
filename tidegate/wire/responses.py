"""Convert a Response between its object and the events of a stream.

Source: OpenAI's API reference, "Streaming events" of the Responses API.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any

from tidegate.core.errors import TruncatedAnswer
from tidegate.core.process.heavy_turns import at_once
from tidegate.wire.chunking import Cut, cut_evenly

Json = dict[str, Any]

TERMINAL_EVENTS = {
    "completed": "response.completed",
    "incomplete": "response.incomplete",
    "failed": "response.failed",
}
"""The status of a finished Response, and the event that ends its stream."""

_STEP_EVENTS = 200
"""Events that one step looks at, in about a millisecond where they are decoded as it goes."""
_SET_AT_THE_END = (
    "usage",
    "completed_at",
    "error",
    "incomplete_details",
    "moderation",
    "tool_usage",
    "prompt_cache_diagnostics",
)
_STREAMED = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
    "mcp_call": ("arguments", "response.mcp_call_arguments"),
    "code_interpreter_call": ("code", "response.code_interpreter_call_code"),
}
"""Items with one streamed field, and the prefix of the events that carry it."""

_STEPS = {
    "web_search_call": ("in_progress", "searching", "completed"),
    "file_search_call": ("in_progress", "searching", "completed"),
    "image_generation_call": ("in_progress", "generating", "completed"),
    "mcp_list_tools": ("in_progress", "completed"),
    "mcp_call": ("in_progress", "completed"),
    "code_interpreter_call": ("in_progress", "interpreting", "completed"),
}
"""Items that report their progress; the first step precedes the streamed field."""

_ONLY_WHEN_DONE = ("result", "results", "output", "outputs", "error", "encrypted_content")


def to_events(response: Mapping[str, Any], *, cut: Cut = cut_evenly) -> list[Json]:
    """Return the events that OpenAI would have streamed for a finished `response`, numbered from 0.

    Raises ValueError for a Response that is not finished.
    """
    status = response.get("status")
    if status not in TERMINAL_EVENTS:
        raise ValueError(f"A response with the status {status} cannot be streamed: it is not finished.")
    in_progress = _in_progress(response)
    events: list[Json] = [
        {"type": "response.created", "response": in_progress},
        {"type": "response.in_progress", "response": in_progress},
    ]
    for index, item in enumerate(response.get("output") or ()):
        events.extend(_item_events(index, item, cut))
    events.append({"type": TERMINAL_EVENTS[status], "response": dict(response)})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def from_events(events: Iterable[Mapping[str, Any]]) -> Json:
    """Return the Response of the terminal event. Raises TruncatedAnswer if there is none."""
    return at_once(from_events_in_steps(events))


def from_events_in_steps(events: Iterable[Mapping[str, Any]]) -> Generator[None, None, Json]:
    """Return the same, in steps of some events."""
    for number, event in enumerate(events, 1):
        if not number % _STEP_EVENTS:
            yield
        if event.get("type") in TERMINAL_EVENTS.values():
            return dict(event["response"])
    raise TruncatedAnswer


def _in_progress(response: Mapping[str, Any]) -> Json:
    unknown_yet = {key: None for key in _SET_AT_THE_END if key in response}
    return {**response, **unknown_yet, "status": "in_progress", "output": []}


def _item_events(index: int, item: Mapping[str, Any], cut: Cut) -> Iterator[Json]:
    kind = item.get("type", "")
    place = {"item_id": item.get("id") or item.get("call_id") or "", "output_index": index}
    yield {"type": "response.output_item.added", "output_index": index, "item": _announced(item)}
    steps = [{"type": f"response.{kind}.{_step(step, item)}", **place} for step in _STEPS.get(kind, ())]
    yield from steps[:1]
    yield from _PARTS.get(kind, _streamed_field)(item, place, cut)
    yield from steps[1:]
    yield {"type": "response.output_item.done", "output_index": index, "item": dict(item)}


def _step(step: str, item: Mapping[str, Any]) -> str:
    # only MCP has an event for failure; other items end as completed and say so in their own status
    failed = item.get("status") == "failed" or item.get("error") is not None
    return "failed" if step == "completed" and failed and item["type"].startswith("mcp_") else step


def _announced(item: Mapping[str, Any]) -> Json:
    """Return the item without its content, as it is announced."""
    announced = {key: value for key, value in item.items() if key not in _ONLY_WHEN_DONE}
    announced.update({key: None for key in ("result", "outputs") if key in item})
    if "status" in item:
        announced["status"] = "in_progress"
    if item.get("type") in ("message", "reasoning"):
        announced.update({key: [] for key in ("content", "summary") if isinstance(item.get(key), list)})
    streamed = _STREAMED.get(item.get("type", ""))
    if streamed and isinstance(item.get(streamed[0]), str):
        announced[streamed[0]] = ""
    return announced


def _streamed_field(item: Mapping[str, Any], place: Json, cut: Cut) -> Iterator[Json]:
    field, stem = _STREAMED.get(item.get("type", ""), ("", ""))
    text = item.get(field)
    if isinstance(text, str):
        yield from ({"type": f"{stem}.delta", **place, "delta": piece} for piece in cut(text))
        yield {"type": f"{stem}.done", **place, field: text}


def _message(item: Mapping[str, Any], place: Json, cut: Cut) -> Iterator[Json]:
    for number, part in enumerate(item.get("content") or ()):
        yield from _content_part(part, {**place, "content_index": number}, cut)


def _reasoning(item: Mapping[str, Any], place: Json, cut: Cut) -> Iterator[Json]:
    for number, part in enumerate(item.get("summary") or ()):
        at = {**place, "summary_index": number}
        stem = "response.reasoning_summary"
        yield {"type": f"{stem}_part.added", **at, "part": {**part, "text": ""}}
        yield from ({"type": f"{stem}_text.delta", **at, "delta": piece} for piece in cut(part["text"]))
        yield {"type": f"{stem}_text.done", **at, "text": part["text"]}
        yield {"type": f"{stem}_part.done", **at, "part": dict(part)}
    yield from _message(item, place, cut)


def _content_part(part: Mapping[str, Any], at: Json, cut: Cut) -> Iterator[Json]:
    yield {"type": "response.content_part.added", **at, "part": _empty_part(part)}
    kind = part.get("type")
    if kind == "output_text":
        yield from _output_text(part, at, cut)
    elif kind == "refusal":
        yield from ({"type": "response.refusal.delta", **at, "delta": piece} for piece in cut(part["refusal"]))
        yield {"type": "response.refusal.done", **at, "refusal": part["refusal"]}
    elif kind == "reasoning_text":
        yield from ({"type": "response.reasoning_text.delta", **at, "delta": piece} for piece in cut(part["text"]))
        yield {"type": "response.reasoning_text.done", **at, "text": part["text"]}
    yield {"type": "response.content_part.done", **at, "part": dict(part)}


def _empty_part(part: Mapping[str, Any]) -> Json:
    empty: dict[str, Any] = {"text": "", "refusal": "", "annotations": [], "logprobs": []}
    return {key: empty[key] if key in empty and value is not None else value for key, value in part.items()}


def _output_text(part: Mapping[str, Any], at: Json, cut: Cut) -> Iterator[Json]:
    logprobs = part.get("logprobs") or []
    for piece, tokens in _with_logprobs(part["text"], logprobs, cut):
        yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": tokens}
    for number, annotation in enumerate(part.get("annotations") or ()):
        added = {"annotation_index": number, "annotation": annotation}
        yield {"type": "response.output_text.annotation.added", **at, **added}
    yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": logprobs}


def _with_logprobs(text: str, logprobs: list[Json], cut: Cut) -> Iterator[tuple[str, list[Json]]]:
    """Yield each piece with its tokens: token by token if they spell the text, else all with the first piece."""
    if logprobs and "".join(token["token"] for token in logprobs) == text:
        yield from ((token["token"], [token]) for token in logprobs)
        return
    for number, piece in enumerate(cut(text)):
        yield piece, [] if number else logprobs


_PARTS: dict[str, Callable[[Mapping[str, Any], Json, Cut], Iterator[Json]]] = {
    "message": _message,
    "reasoning": _reasoning,
}
