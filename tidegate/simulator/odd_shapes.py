"""Puts a reply into a shape in which other servers send answers, as the fault demands. Pure."""

from collections.abc import Callable
from typing import Any

from tidegate.simulator.faults import Fault

Json = dict[str, Any]


def events_in_shape(events: list[Json], fault: Fault | None) -> list[Json]:
    """Return a stream's events in the shape of this fault; the same ones if it has none."""
    change = _OF_EVENTS.get(fault) if fault is not None else None
    return events if change is None else [change(event) for event in events]


def body_in_shape(body: Json, fault: Fault | None) -> Json:
    """Return a whole reply in the shape of this fault; the same one if it has none."""
    return _without_reason(body) if fault is Fault.MISSING_FINISH_REASON else body


def _without_reason(document: Json) -> Json:
    """Return a chunk, an event or a whole reply that does not say why the answer ended."""
    if "choices" in document:
        return {**document, "choices": [{**choice, "finish_reason": None} for choice in document["choices"]]}
    if document.get("type") == "response.completed":
        return {**document, "type": "response.incomplete", "response": _incomplete(document["response"])}
    return _incomplete(document) if document.get("object") == "response" else document


def _incomplete(response: Json) -> Json:
    return {**response, "status": "incomplete", "completed_at": None, "incomplete_details": None}


def _with_one_index(document: Json) -> Json:
    """Return a chunk whose tool calls all have the index 0."""
    choices = document.get("choices")
    return document if choices is None else {**document, "choices": [_one_index(choice) for choice in choices]}


def _one_index(choice: Json) -> Json:
    calls = choice.get("delta", {}).get("tool_calls")
    if not calls:
        return choice
    return {**choice, "delta": {**choice["delta"], "tool_calls": [{**call, "index": 0} for call in calls]}}


_OF_EVENTS: dict[Fault, Callable[[Json], Json]] = {
    Fault.MISSING_FINISH_REASON: _without_reason,
    Fault.SAME_TOOL_INDEX: _with_one_index,
}
