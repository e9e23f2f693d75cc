"""Every event of a stream has its caller's own response and item ids, and the stored document equals the stream."""

from typing import Any

import msgspec
import pytest

from tests.conversations.counted_ids import counted_ids
from tidegate.conversations.documents.response import ResponseIdentity
from tidegate.conversations.documents.response_events import ResponseStreamRewriter
from tidegate.conversations.state_params import StateParams
from tidegate.core.errors import MalformedAnswer
from tidegate.wire import sse
from tidegate.wire.responses import to_events

Json = dict[str, Any]

ANSWER: Json = {
    "id": "resp_theirs",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "m",
    "output": [
        {"id": "rs_theirs", "type": "reasoning", "summary": [], "encrypted_content": "secret"},
        {
            "id": "msg_theirs",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": 'They said "msg_theirs" and more.', "annotations": []}],
        },
        {"id": "fc_theirs", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a": 1}'},
    ],
}


def rewriter(asked: StateParams | None = None) -> ResponseStreamRewriter:
    identity = ResponseIdentity(id="resp_ours", state_params=asked or StateParams(store=True), body={}, created_at=100)
    return ResponseStreamRewriter(identity, counted_ids())


def encoded(event: Json) -> bytes:
    return sse.encode(msgspec.json.encode(event), event["type"])


def read(events: list[bytes]) -> list[Json]:
    return [msgspec.json.decode(sse.data_of(event) or b"") for event in events]


def nameless(event: Json) -> Json:
    item = event.get("item")
    without = {"item": {name: value for name, value in item.items() if name != "id"}} if item else {}
    return {name: value for name, value in {**event, **without}.items() if name != "item_id"}


def test_no_event_speaks_of_the_upstreams_ids() -> None:
    changing = rewriter()
    received = to_events(ANSWER)
    remaining = read([changing.rewrite_event(encoded(event), now=101.0) for event in received])
    assert [event["type"] for event in remaining] == [event["type"] for event in received]
    assert [event["sequence_number"] for event in remaining] == list(range(len(received)))
    names = {event["item_id"] for event in remaining if "item_id" in event}
    names |= {event["item"]["id"] for event in remaining if "item" in event}
    final = remaining[-1]["response"]
    assert names == {item["id"] for item in final["output"]}
    assert [name.partition("_")[0] for name in sorted(names)] == ["fc", "msg", "rs"]
    assert {name for name in names if "theirs" in name} == {"rs_theirs"}, "what is sealed keeps its name"
    assert {event["response"]["id"] for event in remaining if "response" in event} == {"resp_ours"}


def test_the_text_is_never_touched() -> None:
    changing = rewriter()
    remaining = read([changing.rewrite_event(encoded(event), now=101.0) for event in to_events(ANSWER)])
    text = "".join(event["delta"] for event in remaining if event["type"] == "response.output_text.delta")
    assert text == 'They said "msg_theirs" and more.'


def test_what_is_kept_is_the_last_event_with_the_encrypted_reasoning() -> None:
    changing = rewriter()
    remaining = read([changing.rewrite_event(encoded(event), now=101.0) for event in to_events(ANSWER)])
    assert changing.final_document is not None
    assert changing.final_document["output"][0]["encrypted_content"] == "secret"
    assert "secret" not in repr(remaining)
    shown = {**remaining[-1]["response"]}
    assert {**changing.final_document, "output": None} == {**shown, "output": None}
    asking = rewriter(StateParams(store=True, include=frozenset({"reasoning.encrypted_content"})))
    assert "secret" in repr([asking.rewrite_event(encoded(event), now=101.0) for event in to_events(ANSWER)][-1])


def test_items_without_ids_get_some() -> None:
    changing = rewriter()
    remaining = read([changing.rewrite_event(encoded(nameless(event)), now=101.0) for event in to_events(ANSWER)])
    by_index: dict[int, set[str]] = {}
    for event in remaining:
        if "output_index" in event:
            by_index.setdefault(event["output_index"], set()).add(event.get("item_id") or event["item"]["id"])
    assert all(len(names) == 1 for names in by_index.values())


def test_whole_and_streamed_keep_the_same() -> None:
    whole, streamed = rewriter(), rewriter()
    body = whole.rewrite_body(msgspec.json.encode(ANSWER), now=101.0)
    for event in to_events(ANSWER):
        streamed.rewrite_event(encoded(event), now=101.0)
    assert whole.final_document == streamed.final_document
    assert b"secret" not in body


@pytest.mark.parametrize(("events", "items"), [(0, None), (2, 0), (5, 1), (13, 2)])
def test_an_answer_that_broke_off_is_kept_as_far_as_its_items_were_done(events: int, items: int | None) -> None:
    changing = rewriter()
    for event in to_events(ANSWER)[:events]:
        changing.rewrite_event(encoded(event), now=101.0)
    document = changing.partial_document(now=102.0)
    assert (None if document is None else len(document["output"])) == items
    if document is not None:
        assert (document["id"], document["status"]) == ("resp_ours", "in_progress")


def test_an_end_without_output_is_kept_with_what_was_said() -> None:
    whole, silent = rewriter(), rewriter()
    for event in to_events(ANSWER):
        whole.rewrite_event(encoded(event), now=101.0)
        last = event["type"] == "response.completed"
        remaining = silent.rewrite_event(
            encoded({**event, "response": {**event["response"], "output": []}} if last else event), now=101.0
        )
    assert silent.final_document == whole.final_document
    shown = read([remaining])[0]["response"]["output"][1]
    assert shown["content"][0]["text"] == ANSWER["output"][1]["content"][0]["text"]


def test_comments_and_the_end_marker_pass() -> None:
    changing = rewriter()
    assert changing.rewrite_event(b": ping\n\n", now=1.0) == b": ping\n\n"
    assert changing.rewrite_event(b"data: [DONE]\n\n", now=1.0) == b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"response.created","response":{"output":5}}',
        b'{"type":"response.completed","response":{"output":[7]}}',
        b'{"type":"response.created","response":{"usage":{"input_tokens_details":7}}}',
        b'{"type":"response.output_item.added","item":',
        b'["response"]',
    ],
)
def test_what_is_no_event_is_a_typed_error(data: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        rewriter().rewrite_event(sse.encode(data), now=1.0)
    with pytest.raises(MalformedAnswer):
        rewriter().rewrite_body(b'{"output":[7]}', now=1.0)


def test_the_end_marker_passes_also_where_items_have_no_names() -> None:
    changing = rewriter()
    for event in to_events(ANSWER)[:5]:
        changing.rewrite_event(encoded(nameless(event)), now=101.0)
    assert changing.rewrite_event(sse.DONE, now=1.0) == sse.DONE
