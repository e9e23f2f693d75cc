"""A conversation is shortened to a model's summary, which replaces it from then on."""

from typing import Any

import pytest

from tests.conversations.counted_ids import counted_ids
from tidegate.conversations import compaction
from tidegate.conversations.documents.items import compacted_items, upstream_items
from tidegate.core.errors import MalformedAnswer

Json = dict[str, Any]

ITEMS: list[Json] = [
    {"role": "user", "content": "I am Ann."},
    {"id": "msg_9", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Remember 42."}]},
]


def answer(text: str) -> Json:
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    return {"output": [{"type": "reasoning", "summary": []}, said], "usage": {"input_tokens": 3}}


def test_the_model_is_asked_with_all_that_was_said_and_what_shapes_the_price() -> None:
    asked = compaction.summary_request(
        {"model": "m", "instructions": "Be brief.", "service_tier": "flex", "stream": True, "metadata": {}}, ITEMS
    )
    *said, task = asked["input"]
    assert said == upstream_items(ITEMS)
    assert "Summarise" in task["content"]
    assert {name: value for name, value in asked.items() if name != "input"} == {
        "model": "m",
        "instructions": "Be brief.",
        "service_tier": "flex",
        "store": False,
    }


def test_one_item_stands_for_what_users_said_and_the_summary_of_the_rest() -> None:
    document = compaction.compaction_document(answer("Ann, 42."), ITEMS, ids=counted_ids(), now=7.9)
    assert (document["object"], document["created_at"]) == ("response.compaction", 7)
    assert document["usage"]["input_tokens_details"]["cached_tokens"] == 0
    (last,) = document["output"]
    assert last["type"] == "compaction"
    *users, summary = upstream_items([last])
    assert [user["role"] for user in users] == ["user", "user"]
    assert users[0]["content"] == "I am Ann."
    assert summary["content"][0]["text"] == "Ann, 42."


def test_of_nothing_there_is_a_compaction_that_stands_for_nothing() -> None:
    document = compaction.empty_compaction(ids=counted_ids(), now=7.9)
    (item,) = document["output"]
    assert compacted_items(item) == []
    assert document["usage"]["total_tokens"] == 0


def test_no_summary_is_none() -> None:
    with pytest.raises(MalformedAnswer):
        compaction.compaction_document({"output": []}, ITEMS, ids=counted_ids(), now=0.0)
