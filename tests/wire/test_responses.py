"""A finished Response becomes OpenAI's events, in order, and the events become the Response again."""

from typing import Any

import msgspec
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tidegate.core.errors import TruncatedAnswer
from tidegate.wire.responses import from_events, to_events

Json = dict[str, Any]

ANY_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
LOGPROB = {"token": "Hi", "bytes": [72, 105], "logprob": -0.1, "top_logprobs": []}
CITATION = {"type": "url_citation", "start_index": 0, "end_index": 2, "title": "t", "url": "https://example.com"}


def message(*parts: Json, status: str = "completed") -> Json:
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": list(parts)}


def text(words: str, **more: Any) -> Json:
    return {"type": "output_text", "text": words, "annotations": [], "logprobs": [], **more}


def response(*items: Json, status: str = "completed", **more: Any) -> Json:
    usage = {
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 3,
    }
    return {
        "id": "resp_1", "object": "response", "created_at": 1_790_000_000, "status": status, "model": "gpt-4o",
        "output": list(items), "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None,
        "incomplete_details": None, "usage": usage, "completed_at": 1_790_000_001, "a_new_field": [1], **more,
    }  # fmt: skip


CALL = {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1", "name": "f"}
MCP = {"id": "mcp_1", "type": "mcp_call", "server_label": "s", "name": "t", "arguments": "{}"}
OUTPUTS = {
    "text": message(text("The tide comes in, and later it goes out again.")),
    "two parts": message(text("a"), text("b")),
    "empty text": message(text("")),
    "logprobs": message(text("HiHi", logprobs=[LOGPROB, LOGPROB])),
    "logprobs that spell something else": message(text("Hello", logprobs=[LOGPROB])),
    "annotations": message(text("Hi", annotations=[CITATION])),
    "refusal": message({"type": "refusal", "refusal": "I will not."}),
    "function call": {**CALL, "arguments": '{"a":1}'},
    "custom tool": {"id": "ctc_1", "type": "custom_tool_call", "call_id": "call_1", "name": "f", "input": "x y"},
    "reasoning summary": {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "I think."}]},
    "reasoning text": {
        "id": "rs_1", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}],
    },
    "web search": {
        "id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"},
    },
    "file search": {"id": "fs_1", "type": "file_search_call", "status": "completed", "queries": ["q"], "results": []},
    "code interpreter": {
        "id": "ci_1", "type": "code_interpreter_call", "status": "completed", "code": "1+1", "container_id": "c",
        "outputs": [{"type": "logs", "logs": "2"}],
    },
    "image": {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "aGk="},
    "mcp call": {**MCP, "output": "ok", "error": None},
    "mcp list": {"id": "mcpl_1", "type": "mcp_list_tools", "server_label": "s", "tools": []},
}  # fmt: skip


@pytest.mark.parametrize("item", OUTPUTS.values(), ids=OUTPUTS)
def test_every_event_is_one_that_the_official_sdk_accepts_strictly(item: Json) -> None:
    for event in to_events(response(item)):
        ANY_EVENT.validate_json(msgspec.json.encode(event), strict=True)


@pytest.mark.parametrize("item", OUTPUTS.values(), ids=OUTPUTS)
def test_there_and_back_changes_nothing(item: Json) -> None:
    whole = response(item)
    assert from_events(to_events(whole)) == whole


@pytest.mark.parametrize("item", OUTPUTS.values(), ids=OUTPUTS)
def test_events_are_numbered_from_zero_and_end_exactly_once(item: Json) -> None:
    events = to_events(response(item, item))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    ends = [event for event in events if event["type"].split(".")[-1] in ("completed", "failed", "incomplete")]
    assert [event["type"] for event in ends if "response" in event] == ["response.completed"]
    assert events[-1]["type"] == "response.completed"


def test_a_message_unfolds_from_outside_in_and_closes_from_inside_out() -> None:
    assert [event["type"] for event in to_events(response(message(text("Hi"))))] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


def test_before_the_end_nothing_is_known_of_the_end() -> None:
    created = to_events(response(message(text("Hi"))))[0]["response"]
    assert created["status"] == "in_progress"
    assert created["output"] == []
    assert created["usage"] is created["completed_at"] is None
    assert created["a_new_field"] == [1]
    Response.model_validate_json(msgspec.json.encode(created), strict=True)


def test_an_item_is_announced_empty() -> None:
    added = {name: to_events(response(item))[2]["item"] for name, item in OUTPUTS.items()}
    assert added["text"]["content"] == []
    assert added["text"]["status"] == "in_progress"
    assert added["reasoning summary"]["summary"] == []
    assert added["function call"]["arguments"] == ""
    assert added["custom tool"]["input"] == ""
    assert added["image"]["result"] is None


@pytest.mark.parametrize(
    ("status", "last"),
    [("completed", "response.completed"), ("incomplete", "response.incomplete"), ("failed", "response.failed")],
)
def test_the_status_says_which_event_is_last(status: str, last: str) -> None:
    assert to_events(response(status=status))[-1]["type"] == last


def test_a_failed_tool_server_is_said_to_have_failed() -> None:
    item = {**MCP, "status": "failed", "output": None}
    types = [event["type"] for event in to_events(response(item))]
    assert "response.mcp_call.failed" in types
    assert "response.mcp_call.completed" not in types


def test_an_item_that_nobody_knows_yet_is_added_and_done() -> None:
    item = {"id": "new_1", "type": "telepathy_call", "thought": "?"}
    events = to_events(response(item))
    assert [event["type"] for event in events[2:-1]] == ["response.output_item.added", "response.output_item.done"]
    assert events[3]["item"] == item


def test_an_unfinished_response_has_no_end_to_stream() -> None:
    with pytest.raises(ValueError, match="in_progress"):
        to_events(response(status="in_progress"))


def test_a_stream_that_stops_early_is_truncated() -> None:
    with pytest.raises(TruncatedAnswer):
        from_events(to_events(response(message(text("Hi"))))[:-1])
