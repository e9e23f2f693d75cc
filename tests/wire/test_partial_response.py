"""The events of a stream so far make a Response: complete if the stream is, else partial."""

from typing import Any

import pytest

from tidegate.wire.partial_response import assemble_partial
from tidegate.wire.responses import to_events

Json = dict[str, Any]

MESSAGE: Json = {
    "id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
    "content": [
        {"type": "output_text", "text": "High tide is at noon.", "annotations": [{"type": "url"}], "logprobs": []},
        {"type": "refusal", "refusal": "No more than that."},
    ],
}  # fmt: skip
REASONING: Json = {
    "id": "rs_1", "type": "reasoning", "status": "completed",
    "summary": [{"type": "summary_text", "text": "The moon pulls."}],
    "content": [{"type": "reasoning_text", "text": "First the moon, then the sun."}],
}  # fmt: skip
CALL: Json = {
    "id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "tide", "arguments": '{"port":"Kiel"}',
    "status": "completed",
}  # fmt: skip
TOOL: Json = {
    "id": "ct_1",
    "type": "custom_tool_call",
    "call_id": "call_2",
    "name": "say",
    "input": "noon",
    "status": "completed",
}
SEARCH: Json = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search"}}
ITEMS = [MESSAGE, REASONING, CALL, TOOL, SEARCH]


def response(*items: Json) -> Json:
    return {"id": "resp_1", "object": "response", "status": "completed", "output": list(items), "usage": None}


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["type"])
def test_all_events_but_the_last_tell_the_whole_output(item: Json) -> None:
    partial = assemble_partial(to_events(response(item))[:-1])
    assert partial is not None
    assert partial["output"] == [item]
    assert partial["status"] == "in_progress"


def test_the_last_event_is_the_response_itself() -> None:
    partial = assemble_partial(to_events(response(*ITEMS)))
    assert partial == response(*ITEMS)


def test_a_stream_that_breaks_off_in_a_text_keeps_what_came() -> None:
    events = to_events(response(MESSAGE))
    deltas = [place for place, event in enumerate(events) if event["type"] == "response.output_text.delta"]
    partial = assemble_partial(events[: deltas[1] + 1])
    assert partial is not None
    (item,) = partial["output"]
    text = "".join(events[place]["delta"] for place in deltas[:2])
    assert item["status"] == "incomplete"
    assert item["content"][0]["text"] == text
    assert MESSAGE["content"][0]["text"].startswith(text)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["type"])
def test_wherever_it_breaks_off_there_is_a_response(item: Json) -> None:
    events = to_events(response(item))
    for length in range(1, len(events)):
        partial = assemble_partial(events[:length])
        assert partial is not None
        assert partial["id"] == "resp_1"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "x"},
        {"type": "response.output_text.delta", "delta": "x"},
        {"type": "response.something.new", "output_index": 0},
    ],
)
def test_what_belongs_nowhere_changes_nothing(event: Json) -> None:
    begun = to_events(response())[:2]
    assert assemble_partial([*begun, event]) == assemble_partial(begun)


def test_events_without_a_response_tell_of_none() -> None:
    assert assemble_partial([]) is None
    assert assemble_partial([{"type": "response.output_text.delta", "output_index": 0, "delta": "x"}]) is None
