"""A Response has every key of the API, its caller's own ids and values, and nothing of another caller."""

from typing import Any

import pytest

from tests.conversations.counted_ids import counted_ids
from tidegate.conversations.documents.response import (
    ResponseDocument,
    ResponseIdentity,
    failed_document,
    is_finished,
    visible_item,
    visible_response,
)
from tidegate.conversations.state_params import StateParams

Json = dict[str, Any]

STRICT = [
    "completed_at",
    "incomplete_details",
    "previous_response_id",
    "instructions",
    "error",
    "tools",
    "tool_choice",
    "truncation",
    "parallel_tool_calls",
    "text",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "top_logprobs",
    "temperature",
    "reasoning",
    "usage",
    "max_output_tokens",
    "max_tool_calls",
    "store",
    "background",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "id",
    "object",
    "created_at",
    "status",
    "output",
    "metadata",
    "model",
]
"""The keys that strict clients require, whatever their values."""
MESSAGE: Json = {"id": "msg_theirs", "type": "message", "role": "assistant", "content": [], "status": "completed"}
BARE: Json = {"id": "resp_theirs", "object": "response", "created_at": 1, "model": "m", "output": [MESSAGE]}


def form(asked: StateParams, **body: Any) -> ResponseDocument:
    return ResponseDocument(
        ResponseIdentity(id="resp_ours", state_params=asked, body=body, created_at=100), counted_ids()
    )


def test_a_bare_answer_is_made_whole() -> None:
    document = form(StateParams(store=True)).response(BARE, now=107.9)
    assert set(STRICT) - set(document) == set()
    assert document["id"] == "resp_ours"
    assert document["status"] == "completed"
    assert (document["created_at"], document["completed_at"]) == (100, 107)
    assert document["output"][0]["id"] == "msg_1"


def test_what_the_upstream_says_counts_before_the_request_and_the_request_before_the_default() -> None:
    document = form(StateParams(store=True), temperature=0.5, top_p=0.1).response({**BARE, "temperature": 0.7}, now=100)
    assert (document["temperature"], document["top_p"], document["presence_penalty"]) == (0.7, 0.1, 0.0)


def test_the_callers_own_words_are_the_last() -> None:
    asked = StateParams(store=False, previous_response_id="resp_before", metadata={"a": "b"})
    others = {**BARE, "store": False, "previous_response_id": None, "metadata": {"x": "y"}, "conversation": {"id": "c"}}
    document = form(asked).response(others, now=100)
    assert document["store"] is False
    assert document["previous_response_id"] == "resp_before"
    assert document["metadata"] == {"a": "b"}
    assert document["conversation"] is None
    turn = form(StateParams(store=True, conversation="conv_1")).response(BARE, now=100)
    assert turn["conversation"] == {"id": "conv_1"}


@pytest.mark.parametrize("status", ["in_progress", "incomplete", "failed", "cancelled", "queued"])
def test_only_what_is_completed_has_a_time_of_completion(status: str) -> None:
    document = form(StateParams(store=True)).response({**BARE, "status": status, "completed_at": 3}, now=100)
    assert document["completed_at"] is None
    assert is_finished(document) is (status not in ("in_progress", "queued"))


def test_an_item_keeps_the_id_it_was_given_first() -> None:
    answer = form(StateParams(store=True))
    first = answer.item(MESSAGE, 0)
    again = answer.item({**MESSAGE, "status": "completed"}, 0)
    other = answer.item({"type": "function_call", "call_id": "c"}, 1)
    nameless = answer.item({"type": "function_call", "call_id": "c", "arguments": "{}"}, 1)
    assert first["id"] == again["id"] == "msg_1"
    assert other["id"] == nameless["id"] == "fc_2"
    assert answer.item_id(1) == "fc_2"
    assert answer.item_id(2) is None
    assert answer.renamed_ids == {"msg_theirs": "msg_1"}


def test_usage_has_every_figure() -> None:
    counted_ = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "input_tokens_details": {"cached_tokens": 1}}
    document = form(StateParams(store=True)).response({**BARE, "usage": counted_}, now=100)
    assert document["usage"]["input_tokens_details"] == {"cached_tokens": 1, "cache_write_tokens": 0}
    assert document["usage"]["output_tokens_details"] == {"reasoning_tokens": 0}
    assert form(StateParams(store=True)).response(BARE, now=100)["usage"] is None


def test_encrypted_reasoning_is_kept_and_shown_only_to_who_asked() -> None:
    reasoning = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "x"}
    asked = StateParams(store=True, include=frozenset({"reasoning.encrypted_content"}))
    assert "encrypted_content" not in visible_item(reasoning, StateParams(store=True))
    assert visible_item(reasoning, asked) == reasoning
    assert visible_item(MESSAGE, StateParams(store=True)) == MESSAGE
    document = {**BARE, "output": [reasoning]}
    assert visible_response(document, ())["output"] == [{"id": "rs_1", "type": "reasoning", "summary": []}]
    assert visible_response(document, asked.include) == document


def test_an_answer_that_broke_off_says_why() -> None:
    document = failed_document({**BARE, "status": "in_progress"}, {"code": "server_error", "message": "It broke."})
    assert document["status"] == "failed"
    assert document["error"] == {"code": "server_error", "message": "It broke."}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"verbosity": "low"}, {"verbosity": "low", "format": {"type": "text"}}),
        ({"format": {"type": "json_object"}}, {"format": {"type": "json_object"}}),
        (
            {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True}},
            {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True, "description": None}},
        ),
        ("no object", "no object"),
    ],
)
def test_the_form_that_was_asked_for_is_told_whole(asked: Any, told: Any) -> None:
    assert form(StateParams(store=True), text=asked).response(BARE, now=100)["text"] == told


def test_what_an_upstream_leaves_out_of_its_items_and_tools_is_there() -> None:
    bare = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Hi"}, {"type": "refusal"}],
    }
    tool = {"type": "function", "name": "f"}
    answer = {
        **BARE,
        "output": [bare, {"type": "reasoning"}],
        "tools": [tool, {"type": "web_search"}],
        "temperature": None,
    }
    document = form(StateParams(store=True)).response(answer, now=100)
    message, reasoning = document["output"]
    assert message["content"][0] == {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}
    assert message["content"][1] == {"type": "refusal"}
    assert message["status"] == "completed"
    assert reasoning["summary"] == []
    assert document["tools"][0] == {**tool, "description": None, "parameters": None, "strict": None}
    assert document["tools"][1] == {"type": "web_search"}
    assert document["temperature"] == 1.0
