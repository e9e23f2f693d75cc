"""An answer is converted to the form that its caller wants, without values of another caller's request."""

import contextlib
import gc
import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response

from tidegate.cache.stored import StoredAnswer, in_form_in_steps
from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import MalformedAnswer, TruncatedAnswer
from tidegate.core.process.heavy_turns import at_once
from tidegate.wire import sse
from tidegate.wire.answer_form import CallerEcho, split_events, to_body, to_body_in_steps, to_stream

Json = dict[str, Any]

MANY = 20_000
"""Events. Each added to the text before, they took a quarter of a second of CPU; with probabilities, a second."""
STEP_SECONDS = 0.03
"""CPU that a step may take: usually two milliseconds, and more on a starved machine."""

CALL = {"id": "call_1", "type": "function", "function": {"name": "tide", "arguments": '{"port":"Hull","day":1}'}}
LOGPROBS = {
    "content": [{"token": t, "logprob": -0.1, "bytes": [1], "top_logprobs": []} for t in ("High", " at", " noon")],
    "refusal": None,
}


def completion(*choices: Json) -> Json:
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "service_tier": "default",
        "choices": [{"index": i, "finish_reason": "stop", "logprobs": None, **c} for i, c in enumerate(choices)],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }  # fmt: skip


def says(**message: Any) -> Json:
    return {"message": {"role": "assistant", "content": None, "refusal": None, **message}}


CHATS = {
    "text": completion(says(content="The tide comes in, and after a while it goes out again.")),
    "two choices": completion(says(content="High at noon, low at six."), says(content="Ask me later on.")),
    "tools": completion({**says(tool_calls=[CALL, {**CALL, "id": "call_2"}]), "finish_reason": "tool_calls"}),
    "logprobs": completion({**says(content="High at noon"), "logprobs": LOGPROBS}),
    "refusal": completion(says(refusal="I would rather not say.")),
    "an unknown field": {**completion(says(content="Hi")), "x_new": {"a": [1]}},
}


def response(status: str = "completed", **fields: Any) -> Json:
    text = {"type": "output_text", "text": "High at noon.", "annotations": [], "logprobs": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "m", "output": [item],
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None, "incomplete_details": None,
        "usage": None, **fields,
    }  # fmt: skip


def encoded(document: Json) -> bytes:
    return msgspec.json.encode(document)


@pytest.mark.parametrize("chat", CHATS.values(), ids=CHATS)
def test_a_completion_is_streamed_and_comes_together_again(chat: Json) -> None:
    events = to_stream(endpoints.CHAT, encoded(chat))
    assert events[-1] == sse.DONE
    for event in events[:-1]:
        ChatCompletionChunk.model_validate_json(sse.data_of(event) or b"", strict=True)
    whole = to_body(endpoints.CHAT, events)
    assert json.loads(whole) == chat
    ChatCompletion.model_validate_json(whole, strict=True)


@pytest.mark.parametrize("status", ["completed", "incomplete", "failed"])
def test_a_response_is_streamed_and_comes_together_again(status: str) -> None:
    events = to_stream(endpoints.RESPONSES, encoded(response(status)))
    assert events[-1].startswith(f"event: response.{status}\n".encode())
    whole = to_body(endpoints.RESPONSES, events)
    assert json.loads(whole) == response(status)
    Response.model_validate_json(whole, strict=True)


def test_a_stored_stream_is_cut_into_the_events_it_came_in() -> None:
    for route, whole in ((endpoints.CHAT, CHATS["tools"]), (endpoints.RESPONSES, response())):
        events = to_stream(route, encoded(whole))
        assert split_events(b"".join(events)) == events


@pytest.mark.parametrize(("route", "whole"), [(endpoints.CHAT, CHATS["tools"]), (endpoints.RESPONSES, response())])
def test_a_stored_answer_takes_either_form(route: Endpoint, whole: Json) -> None:
    stored = StoredAnswer(stream=False, body=encoded(whole), served_by="openai/m", echo="{}", stored_at=1.0)
    streamed = at_once(in_form_in_steps(stored, route, stream=True))
    assert split_events(streamed.body) == to_stream(route, stored.body)
    assert (streamed.stream, streamed.served_by, streamed.echo, streamed.stored_at) == (True, "openai/m", "{}", 1.0)
    assert at_once(in_form_in_steps(streamed, route, stream=True)) is streamed
    assert json.loads(at_once(in_form_in_steps(streamed, route, stream=False)).body) == whole


@pytest.fixture
def _no_garbage_collection() -> Iterator[None]:
    """The collector would go through all objects of the test session within a step."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_garbage_collection")
def test_a_long_stream_becomes_a_body_in_steps_of_some_milliseconds() -> None:
    said = {"token": "tide", "logprob": -0.1, "bytes": [1], "top_logprobs": []}
    delta = {"index": 0, "delta": {"content": "tide "}, "logprobs": {"content": [said], "refusal": None}}
    event = sse.encode(encoded({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [delta]}))
    longest, joining = 0.0, to_body_in_steps(endpoints.CHAT, [event] * MANY)
    body = b""
    while not body:
        started = time.process_time()
        try:
            next(joining)
        except StopIteration as end:
            body = end.value  # what comes last grows with the answer, so it is not measured here
        else:
            longest = max(longest, time.process_time() - started)
    (choice,) = json.loads(body)["choices"]
    assert choice["message"]["content"] == "tide " * MANY
    assert choice["logprobs"]["content"] == [said] * MANY
    assert longest < STEP_SECONDS


def test_a_response_stream_without_its_end_is_no_answer() -> None:
    with pytest.raises(TruncatedAnswer):
        to_body(endpoints.RESPONSES, to_stream(endpoints.RESPONSES, encoded(response()))[:-1])


@pytest.mark.parametrize("reason", [None, ""])
def test_an_answer_that_does_not_say_why_it_ended_says_so_in_both_forms(reason: str | None) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": reason}
    events = to_stream(endpoints.CHAT, encoded({"choices": [choice]}))
    assert events[-1] == sse.DONE
    assert json.loads(to_body(endpoints.CHAT, events))["choices"] == [{**choice, "finish_reason": None}]


@pytest.mark.parametrize("route", [endpoints.CHAT, endpoints.RESPONSES])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": None},
        {"choices": [7]},
        {"choices": 7},
        {"choices": [{"message": 7}]},
        {"status": "queued"},
        {"status": "completed", "output": 7},
        {"status": "completed", "output": [7]},
    ],
)
def test_an_answer_that_cannot_be_streamed_is_a_typed_error(route: Endpoint, body: Json) -> None:
    with pytest.raises(MalformedAnswer):
        to_stream(route, encoded(body))


HERS: Json = {
    "metadata": {"ticket": "hers-1"},
    "user": "hers-2",
    "safety_identifier": "hers-3",
    "prompt_cache_key": "hers-4",
    "prompt_cache_retention": "hers-5",
}
HIS: Json = {"metadata": {"ticket": "his-1"}, "safety_identifier": "his-2"}
SILENT: Json = {"metadata": {}, "user": None, "safety_identifier": None, "prompt_cache_key": None}


def test_all_of_the_callers_words_are_covered() -> None:
    assert set(HERS) == set(endpoints.RESPONSES.echoes)


@pytest.mark.parametrize(("echo", "now"), [("", SILENT), (json.dumps(HIS), {**SILENT, **HIS})])
def test_another_callers_words_never_show(echo: str, now: Json) -> None:
    hers = encoded(response(**HERS))
    own = CallerEcho(echo)

    whole = own.replace_in_body(hers)
    events = [own.replace_in_event(event) for event in to_stream(endpoints.RESPONSES, hers)]

    assert b"hers" not in whole
    assert b"hers" not in b"".join(events)
    last = json.loads(to_body(endpoints.RESPONSES, events))
    assert json.loads(whole) == last == response(**{**HERS, "prompt_cache_retention": None, **now})


def test_words_are_exchanged_however_the_event_is_spelt() -> None:
    event = b'event: response.created\ndata: {"type": "response.created", "response" : {"user": "hers"}}\n\n'
    assert b"hers" not in CallerEcho("").replace_in_event(event)
    lines = b'data: {"type": "response.created",\ndata:  "response": {"metadata": {"a": "hers"}}}\n\n'
    assert b"hers" not in CallerEcho("").replace_in_event(lines)


def test_own_words_are_put_where_the_other_said_nothing() -> None:
    assert json.loads(CallerEcho(json.dumps(HIS)).replace_in_body(encoded(response()))) == response(**HIS)


@pytest.mark.parametrize(
    "event",
    [
        b": ping\n\n",
        sse.encode(b'{"type":"response.output_text.delta","delta":"Hi"}', "response.output_text.delta"),
        sse.encode(b'{"type":"response.output_text.delta","delta":"\\"response\\": {}"}', "x"),
        sse.encode(b'{"type": "x", "response":7}', "x"),
    ],
)
def test_an_event_without_a_response_keeps_its_very_bytes(event: bytes) -> None:
    assert CallerEcho(json.dumps(HIS)).replace_in_event(event) == event


@pytest.mark.parametrize("depth", range(900, 1000, 3))
def test_no_depth_of_nesting_is_a_failure_of_ours(depth: int) -> None:
    """What could be read may be too deep to be written."""
    body = encoded(response()).replace(b'"annotations":[]', b'"annotations":' + b"[" * depth + b"]" * depth)
    own = CallerEcho("{}")
    with contextlib.suppress(MalformedAnswer):
        own.replace_in_body(body)
    with contextlib.suppress(MalformedAnswer):
        for event in to_stream(endpoints.RESPONSES, body):
            own.replace_in_event(event)
