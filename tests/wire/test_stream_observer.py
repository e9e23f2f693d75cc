"""The observer distinguishes all ways in which an answer can end, with little decoding."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import MalformedAnswer, TruncatedAnswer
from tidegate.wire import sse
from tidegate.wire.stream_observer import EventKind, is_extra_chunk, is_terminal, observer_for

CHAT, RESPONSES = endpoints.CHAT, endpoints.RESPONSES
PASS, END, ERROR, NOTHING = EventKind.ORDINARY, EventKind.TERMINAL, EventKind.ERROR, EventKind.COMMENT
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
CUT_SHORT = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
CENSORED = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
ITEM = {"type": "message", "content": [{"type": "output_text", "text": "High tide"}]}
SAID = {"message": {"content": "High tide"}}
FAILURE = {"type": "server_error", "code": None, "message": "boom", "param": None}


def event(document: Any, name: str | None = None) -> bytes:
    return sse.encode(json.dumps(document).encode(), name)


def chunk(*choices: tuple[int, str | None], **more: Any) -> bytes:
    """A chunk with a part for each (index, finish_reason)."""
    parts = [{"index": index, "delta": {"content": "x"}, "finish_reason": reason} for index, reason in choices]
    return event({"id": "c", "object": "chat.completion.chunk", "model": "m-1", "choices": parts, **more})


def response(kind: str, **fields: Any) -> bytes:
    """An event of the type `kind` with a Response in it."""
    return event({"type": kind, "sequence_number": 1, "response": {"id": "r", "model": "m-1", **fields}}, kind)


@pytest.mark.parametrize(
    ("events", "last", "complete", "storable"),
    [
        pytest.param([chunk((0, None)), chunk((0, "stop")), sse.DONE], END, True, True, id="finished"),
        pytest.param([chunk((0, "length")), sse.DONE], END, True, True, id="cut at max_tokens"),
        pytest.param([chunk((0, "tool_calls")), sse.DONE], END, True, True, id="tools"),
        pytest.param([chunk((0, "content_filter")), sse.DONE], END, True, False, id="filtered"),
        pytest.param([chunk((0, "stop"), (1, "content_filter")), sse.DONE], END, True, False, id="one of two filtered"),
        pytest.param([chunk((1, "stop")), chunk((0, "stop")), sse.DONE], END, True, True, id="two finished"),
        pytest.param([chunk((0, None))], PASS, False, False, id="cut off"),
        pytest.param([chunk((0, None)), event({"error": FAILURE})], ERROR, False, False, id="error object"),
        pytest.param([chunk((0, None)), event({"message": "boom", "code": 400})], ERROR, False, False, id="flat error"),
        pytest.param([chunk((0, None)), event({"object": "error", "message": "m"})], ERROR, False, False, id="as vLLM"),
        pytest.param([chunk((0, None)), event({"detail": "m"}, "error")], ERROR, False, False, id="detail"),
        pytest.param([event({"error": "overloaded"})], ERROR, False, False, id="error as a string"),
        pytest.param([chunk((0, None)), b": keep-alive\n\n"], NOTHING, False, False, id="comment"),
        pytest.param([chunk((0, "stop")), b"data:[DONE]\n\n"], END, True, True, id="no space before DONE"),
        pytest.param([chunk((0, "stop")), b"data:  [DONE] \n\n"], END, True, True, id="spaces around DONE"),
    ],
)  # fmt: skip
def test_how_a_chat_stream_ends(events: list[bytes], last: EventKind, complete: bool, storable: bool) -> None:
    watch = observer_for(CHAT)
    assert [watch.observe(one) for one in events][-1] is last
    assert (watch.is_complete, watch.is_worth_storing(events)) == (complete, storable)


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([chunk((0, None))], id="nothing finished"),
        pytest.param([chunk((0, ""))], id="an empty reason"),
        pytest.param([chunk((0, "stop")), chunk((1, None))], id="one of two unfinished"),
        pytest.param([chunk((0, None)), b"event: error\n\n"], id="an error that says nothing"),
        pytest.param([chunk((0, None)), b"data: \n\n", b"data:\n\n"], id="empty data"),
    ],
)
def test_done_ends_an_answer_whose_choice_is_not_finished_which_is_marked(events: list[bytes]) -> None:
    watch = observer_for(CHAT)
    for one in events:
        watch.observe(one)
    assert watch.observe(sse.DONE) is END
    assert (watch.is_complete, watch.is_unfinished, watch.is_worth_storing([])) == (True, True, False)


def test_done_ends_nothing_where_there_was_no_content() -> None:
    watch = observer_for(CHAT)
    watch.observe(event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}))
    with pytest.raises(TruncatedAnswer, match="without content"):
        watch.observe(sse.DONE)
    assert not watch.is_complete


def test_a_chat_stream_that_says_nothing_at_all_is_no_answer() -> None:
    with pytest.raises(MalformedAnswer, match="ended without content"):
        observer_for(CHAT).observe(sse.DONE)


@pytest.mark.parametrize(
    ("route", "events", "begun"),
    [
        (CHAT, [{"choices": [{"delta": {"role": "assistant", "content": ""}}]}], False),
        (CHAT, [{"choices": [], "prompt_filter_results": []}], False),
        (CHAT, [{"choices": [{"delta": None}]}], False),
        (CHAT, [{"choices": [{"delta": {"content": "Hi"}}]}], True),
        (CHAT, [{"choices": [{"delta": {}, "finish_reason": "stop"}]}], True),
        (RESPONSES, [{"type": "response.created", "response": {}}], False),
        (RESPONSES, [{"type": "response.output_item.added"}, {"type": "response.content_part.added"}], False),
        (RESPONSES, [{"type": "response.output_text.delta", "delta": "Hi"}], True),
        (RESPONSES, [{"type": "response.failed", "response": {"status": "failed", "error": {"code": "x"}}}], False),
        (RESPONSES, [{"type": "response.completed", "response": {"status": "completed"}}], True),
        (CHAT, [{"choices": [{"delta": {"content": ""}, "finish_reason": ""}]}], False),
        (CHAT, [{"choices": [{"delta": {"content": "", "obfuscation": "xx", "name": "m"}}]}], False),
        (CHAT, [{"choices": [{"delta": {"role": "assistant", "provider_specific_fields": {"a": 1}}}]}], False),
        (CHAT, [{"choices": [{"delta": {"reasoning": "Hm"}}]}], True),
        (CHAT, [{"choices": [{"delta": {"reasoning_content": "Hm"}}]}], True),
        (CHAT, [{"choices": [{"delta": {"refusal": "No"}}]}], True),
        (CHAT, [{"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": ""}}]}}]}], True),
        (CHAT, [{"choices": [{"delta": {"images": [{"type": "image_url"}]}}]}], True),
        (CHAT, [{"choices": [{"delta": {"a_new_field": "x"}}]}], True),
        (RESPONSES, [{"type": "response.in_progress", "response": {}}, {"type": "keepalive"}], False),
        (RESPONSES, [{"type": "ping"}, {"type": "codex.rate_limits", "rate_limits": {}}], False),
        (RESPONSES, [{"type": "response.output_text.delta", "delta": ""}], False),
        (RESPONSES, [{"type": "response.reasoning_summary_part.added", "part": {"text": ""}}], False),
        (RESPONSES, [{"type": "response.reasoning_summary_text.delta", "delta": "Hm"}], True),
        (RESPONSES, [{"type": "response.reasoning_text.delta", "delta": "Hm"}], True),
        (RESPONSES, [{"type": "response.function_call_arguments.delta", "delta": "{"}], True),
        (RESPONSES, [{"type": "response.web_search_call.searching"}], True),
        (RESPONSES, [{"type": "response.image_generation_call.partial_image", "partial_image_b64": "eA=="}], True),
    ],
)
def test_an_answer_has_begun_when_content_has_gone_by(route: Endpoint, events: list[Any], begun: bool) -> None:
    watch = observer_for(route)
    for one in events:
        watch.observe(event(one))
    assert watch.has_content is begun


@pytest.mark.parametrize(
    ("events", "may_end"),
    [
        ([], False),
        ([chunk((0, None))], False),
        ([chunk((0, ""))], False),
        ([chunk((0, "stop"))], True),
        ([chunk((0, "stop")), chunk(usage=USAGE)], True),
        ([chunk((0, "stop"), (1, None))], False),
        ([chunk(usage=USAGE)], False),
    ],
)
def test_a_chat_stream_may_end_without_done_once_all_it_began_is_finished(events: list[bytes], may_end: bool) -> None:
    watch = observer_for(CHAT)
    for one in events:
        watch.observe(one)
    assert watch.may_end() is may_end


@pytest.mark.parametrize(
    ("kind", "fields", "last", "storable", "error"),
    [
        ("response.completed", {"status": "completed"}, END, True, None),
        ("response.completed", {"status": "completed", "error": None}, END, True, None),
        ("response.incomplete", CUT_SHORT, END, True, None),
        ("response.incomplete", CENSORED, END, False, None),
        ("response.failed", {"status": "failed", "error": FAILURE}, END, False, FAILURE),
        ("response.failed", {"status": "failed"}, END, False, None),
        ("response.cancelled", {"status": "cancelled"}, END, False, None),
        ("response.created", {"status": "in_progress"}, PASS, False, None),
        ("response.in_progress", {"status": "in_progress"}, PASS, False, None),
        ("response.queued", {"status": "queued"}, PASS, False, None),
        ("response.completed", {"status": "completed", "output": []}, END, False, None),
    ],
)  # fmt: skip
def test_how_a_responses_stream_ends(
    kind: str, fields: dict[str, Any], last: EventKind, storable: bool, error: object
) -> None:
    watch = observer_for(RESPONSES)
    assert watch.observe(response(kind, **{"output": [ITEM], **fields})) is last
    assert watch.is_complete is watch.may_end() is (last is END)
    assert watch.is_worth_storing([]) is storable
    assert watch.error == error


def test_json_that_was_cut_off_is_of_no_use() -> None:
    watch = observer_for(CHAT)
    events = [chunk((0, "length")), sse.DONE]
    for one in events:
        watch.observe(one)
    assert watch.is_worth_storing(events)
    assert not watch.is_worth_storing(events, wants_json=True)


@pytest.mark.parametrize("details", [None, {"reason": None}, {}])
def test_a_response_that_does_not_say_why_it_is_incomplete_is_marked(details: Any) -> None:
    ending = response("response.incomplete", status="incomplete", incomplete_details=details)
    watch = observer_for(RESPONSES)
    with pytest.raises(TruncatedAnswer, match="without content"):
        watch.observe(ending)
    watch = observer_for(RESPONSES)
    watch.observe(event({"type": "response.output_text.delta", "delta": "Hi"}))
    assert watch.observe(ending) is END
    assert (watch.is_complete, watch.is_unfinished, watch.is_worth_storing([])) == (True, True, False)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"type": "error", "error": FAILURE, "sequence_number": 2}, id="nested, as it is sent"),
        pytest.param({**FAILURE, "type": "error", "sequence_number": 2}, id="flat, as it is documented"),
        pytest.param({"error": FAILURE}, id="without a type"),
        pytest.param({**FAILURE, "type": ""}, id="flat, without a type"),
    ],
)
def test_an_error_event_is_an_error_in_each_of_its_forms(document: dict[str, Any]) -> None:
    watch = observer_for(RESPONSES)
    watch.observe(response("response.created", status="in_progress"))
    assert watch.observe(event({**document, "type": document.get("type", "")}, "error")) is ERROR
    assert watch.error["message"] == "boom"
    assert not watch.is_complete


@pytest.mark.parametrize("kind", ["response.completed", "response.failed"])
def test_a_last_event_has_a_response_in_it(kind: str) -> None:
    with pytest.raises(MalformedAnswer, match="no Response"):
        observer_for(RESPONSES).observe(event({"type": kind, "response": None}, kind))


def test_an_error_inside_an_item_is_the_items_own() -> None:
    watch = observer_for(RESPONSES)
    item = {"type": "mcp_call", "error": "the tool is away"}
    assert watch.observe(event({"type": "response.output_item.done", "item": item})) is PASS
    assert watch.error is None


def test_a_stream_is_mended_before_it_is_observed() -> None:
    call = {"id": "a", "function": {"name": "f", "arguments": "{}"}}
    chat, responses = observer_for(CHAT), observer_for(RESPONSES)
    mended = chat.mend(event({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}), ())
    assert b'"index":0,"delta":{"tool_calls":[{"id":"a"' in mended
    earlier = [response("response.created", status="in_progress"), event({"type": "response.output_text.delta"})]
    assert responses.mend(sse.DONE, earlier) is sse.DONE
    responses.has_content = True
    assert b'"type":"response.incomplete"' in responses.mend(sse.DONE, earlier)
    assert observer_for(endpoints.EMBEDDINGS).mend(mended, ()) is mended


def test_done_after_a_response_is_not_forwarded() -> None:
    assert observer_for(RESPONSES).observe(sse.DONE) is NOTHING


@pytest.mark.parametrize("route", [CHAT, RESPONSES])
@pytest.mark.parametrize(
    "data", [b"{", b"hello", b"[1]", b"7", b'"x"', b'{"choices":{}}', b'{"model":7}', b"\xff", b"[" * 100_000]
)
def test_what_is_not_the_protocol_is_malformed(route: Endpoint, data: bytes) -> None:
    if route is RESPONSES and data.startswith(b'{"'):
        data = b'{"type":"response.created","response":%s}' % data.replace(b"{}", b'"x"')
    with pytest.raises(MalformedAnswer):
        observer_for(route).observe(b"data: " + data + b"\n\n")
    with pytest.raises(MalformedAnswer):
        observer_for(route).observe_body(data if data.startswith(b'{"c') else data[:-1])


@pytest.mark.parametrize("route", [endpoints.EMBEDDINGS, endpoints.MODERATIONS])
def test_a_stream_where_openai_has_none_is_malformed(route: Endpoint) -> None:
    with pytest.raises(MalformedAnswer):
        observer_for(route).observe(chunk((0, "stop")))


@given(st.binary(max_size=80), st.sampled_from([CHAT, RESPONSES]))
def test_no_bytes_raise_anything_but_malformed(data: bytes, route: Endpoint) -> None:
    for look in (observer_for(route).observe, observer_for(route).observe_body):
        try:
            look(b"data: " + data + b"\n\n")
        except MalformedAnswer as error:
            assert error.message  # noqa: PT017  # anything else fails the test by itself


def test_usage_model_and_tier_are_kept_as_the_upstream_said_them() -> None:
    watch = observer_for(CHAT)
    watch.observe(chunk((0, "stop"), usage=None, service_tier="flex"))
    assert watch.usage is None
    watch.observe(chunk(usage=USAGE))
    assert (json.loads(watch.usage or b""), watch.model, watch.service_tier) == (USAGE, "m-1", "flex")

    watch = observer_for(RESPONSES)
    watch.observe(response("response.created", status="in_progress", usage=None))
    assert not watch.usage
    watch.observe(response("response.completed", status="completed", usage={"input_tokens": 1}, service_tier="default"))
    assert (watch.usage, watch.model, watch.service_tier) == (b'{"input_tokens": 1}', "m-1", "default")


WHOLE = {"model": "m-1", "usage": USAGE}


@pytest.mark.parametrize(
    ("route", "body", "sight", "storable"),
    [
        pytest.param(CHAT, {"choices": [{"finish_reason": "stop", **SAID}]}, END, True, id="chat"),
        pytest.param(CHAT, {"choices": [{"finish_reason": "stop"}]}, END, False, id="chat without a message"),
        pytest.param(CHAT, {"choices": [{"finish_reason": "content_filter", **SAID}]}, END, False, id="chat, filtered"),
        pytest.param(CHAT, {"choices": [{"finish_reason": None, **SAID}]}, END, False, id="chat, not finished"),
        pytest.param(CHAT, {"choices": [{"finish_reason": "", **SAID}]}, END, False, id="chat, an empty reason"),
        pytest.param(CHAT, {"error": FAILURE}, ERROR, False, id="an error under status 200"),
        pytest.param(CHAT, {"message": "boom", **FAILURE}, ERROR, False, id="a flat error under status 200"),
        pytest.param(RESPONSES, FAILURE, ERROR, False, id="a flat error in place of a response"),
        pytest.param(endpoints.EMBEDDINGS, FAILURE, ERROR, False, id="a flat error in place of an embedding"),
        pytest.param(RESPONSES, {"status": "completed", "error": None, "output": [ITEM]}, END, True, id="response"),
        pytest.param(RESPONSES, {"output": [ITEM]}, END, True, id="response without a status"),
        pytest.param(RESPONSES, {"status": "completed", "output": []}, END, False, id="response without output"),
        pytest.param(RESPONSES, {"status": "failed", "error": FAILURE}, END, False, id="response that failed"),
        pytest.param(RESPONSES, {"status": "in_progress"}, END, False, id="response still running"),
        pytest.param(RESPONSES, {"error": FAILURE}, ERROR, False, id="an error in place of a response"),
        pytest.param(endpoints.EMBEDDINGS, {"data": [{"embedding": [0.5]}]}, END, True, id="embedding"),
        pytest.param(endpoints.EMBEDDINGS, {"data": [{"embedding": [0.0]}]}, END, False, id="embedding of zeros"),
        pytest.param(endpoints.EMBEDDINGS, {"data": []}, END, False, id="no embedding"),
        pytest.param(endpoints.MODERATIONS, {"results": [{"flagged": False}]}, END, True, id="moderation"),
        pytest.param(endpoints.MODERATIONS, {"results": []}, END, False, id="no moderation"),
    ],
)  # fmt: skip
def test_an_answer_in_one_piece(route: Endpoint, body: dict[str, Any], sight: EventKind, storable: bool) -> None:
    watch = observer_for(route)
    document = json.dumps({**WHOLE, **body}, separators=(",", ":")).encode()
    assert watch.observe_body(document) is sight
    assert watch.is_worth_storing([document]) is storable
    if sight is END:
        assert watch.is_complete
        assert (json.loads(watch.usage or b""), watch.model) == (USAGE, "m-1")
    else:
        assert watch.error["message"] == "boom"


SAYS_USAGE = '{"choices":[],"usage":{"total_tokens":1}}'


@pytest.mark.parametrize(
    ("one", "is_it"),
    [
        (chunk(usage=USAGE), True),
        (event({"choices": [], "usage": USAGE}).replace(b" ", b"").replace(b"data:", b"data: "), True),
        (b'data: {"usage" : {"total_tokens":1}, "choices":[]}\n\n', True),
        (chunk(usage=None), True),
        (chunk(), True),
        (chunk((0, "stop"), usage=USAGE), False),
        (chunk((0, None), usage=None), False),
        (chunk((0, None)), False),
        (chunk(prompt_filter_results=[{"usage": 1}]), True),
        (chunk(error=FAILURE), False),
        (event({"choices": [{"index": 0, "delta": {"content": SAYS_USAGE}}]}), False),
        (event({"choices": [{"index": 0, "delta": {"content": 'the "usage" of it'}}], "usage": None}), False),
        (sse.DONE, False),
        (b': "usage"\n\n', False),
        (b'data: "usage"\n\n', False),
    ],
)
def test_a_chunk_without_a_choice_is_known_and_nothing_else_taken_for_it(one: bytes, is_it: bool) -> None:
    assert is_extra_chunk(one) is is_it


@given(st.text())
def test_no_text_makes_a_chunk_look_like_one(text: str) -> None:
    content = text + '"usage" "choices":[]'
    assert not is_extra_chunk(event({"choices": [{"index": 0, "delta": {"content": content}}]}))


@pytest.mark.parametrize(
    ("route", "one", "is_it"),
    [
        (CHAT, sse.DONE, True),
        (CHAT, b"data:[DONE]\n\n", True),
        (CHAT, chunk((0, "stop")), False),
        (CHAT, event({"choices": [{"index": 0, "delta": {"content": "[DONE]"}}]}), False),
        (RESPONSES, response("response.completed"), True),
        (RESPONSES, response("response.incomplete"), True),
        (RESPONSES, response("response.failed"), True),
        (RESPONSES, response("response.cancelled"), True),
        (RESPONSES, event({"type": "response.completed", "response": {}}), True),
        (RESPONSES, response("response.created"), False),
        (RESPONSES, event({"type": "response.web_search_call.completed"}, "response.web_search_call.completed"), False),
        (RESPONSES, event({"type": "response.output_text.delta", "delta": "response.completed"}), False),
    ],
)
def test_the_terminal_event_is_known_however_it_is_written(route: Endpoint, one: bytes, is_it: bool) -> None:
    assert is_terminal(route, one) is is_it


@pytest.mark.parametrize("body", [b"{}", b'{"id":"chatcmpl-1","usage":{}}'])
def test_a_whole_chat_answer_without_a_choice_is_none(body: bytes) -> None:
    with pytest.raises(MalformedAnswer, match="no choice"):
        observer_for(endpoints.CHAT).observe_body(body)


@pytest.mark.parametrize(
    ("route", "lacks"), [(RESPONSES, "output"), (endpoints.EMBEDDINGS, "data"), (endpoints.MODERATIONS, "data")]
)
@pytest.mark.parametrize("body", [b"{}", b'{"id":"x","usage":{}}'])
def test_a_whole_answer_without_what_an_answer_holds_is_none(route: Endpoint, lacks: str, body: bytes) -> None:
    with pytest.raises(MalformedAnswer, match=f"no {lacks}"):
        observer_for(route).observe_body(body)
