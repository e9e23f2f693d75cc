"""Where a provider only speaks chat, its bytes come back as a Response's, wherever the network cut them."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.routing.played import FakeProvider
from tidegate.core import endpoints
from tidegate.core.clock import ManualClock
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import MalformedAnswer, NotTranslatable, TruncatedAnswer
from tidegate.providers.responses_over_chat import Translator, build_translated_request, translator_for
from tidegate.providers.target import Target
from tidegate.wire import chat, responses, sse
from tidegate.wire.call import Call, parse
from tidegate.wire.stream_observer import EventKind, observer_for

Json = dict[str, Any]

TARGET = Target("local", "m")
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
MESSAGE: Json = {
    "role": "assistant",
    "content": "High water is at three.",
    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"port":"x"}'}}],
}
COMPLETION: Json = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "served", "usage": USAGE,
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "tool_calls"}],
}  # fmt: skip
STREAM = b"".join(sse.encode(msgspec.json.encode(chunk)) for chunk in chat.to_chunks(COMPLETION)) + sse.DONE


def asked(**fields: Any) -> Call:
    return parse(endpoints.RESPONSES, msgspec.json.encode({"model": "m", "input": "hi", "stream": True, **fields}))


def speaking(*routes: Endpoint) -> FakeProvider:
    provider = FakeProvider("local")
    provider.endpoints = frozenset(routes)
    return provider


def interpreter(**fields: Any) -> Translator:
    provider = speaking(endpoints.CHAT)
    call = asked(**fields)
    found = translator_for(call, TARGET, provider=provider, clock=ManualClock(), ids=lambda kind: f"{kind}1")
    assert found is not None
    return found


def interpreted(parts: Iterator[bytes]) -> list[bytes]:
    between, splitter = interpreter(), sse.EventSplitter()
    return [event for part in parts for chunk in splitter.feed(part) for event in between.translate_event(chunk)]


@pytest.mark.parametrize(
    ("route", "speaks", "needed"),
    [
        (endpoints.RESPONSES, {endpoints.CHAT}, True),
        (endpoints.RESPONSES, {endpoints.CHAT, endpoints.EMBEDDINGS}, True),
        (endpoints.RESPONSES, {endpoints.CHAT, endpoints.RESPONSES}, False),
        (endpoints.CHAT, {endpoints.CHAT}, False),
    ],
)
def test_who_needs_an_interpreter(route: Endpoint, speaks: set[Endpoint], needed: bool) -> None:
    call = parse(route, b'{"model":"m","input":"hi"}')
    found = translator_for(call, TARGET, provider=speaking(*speaks), clock=ManualClock())
    assert (found is not None) is needed


@pytest.mark.parametrize(
    ("route", "speaks"),
    [
        (endpoints.RESPONSES, {endpoints.EMBEDDINGS}),
        (endpoints.CHAT, {endpoints.RESPONSES}),
        (endpoints.EMBEDDINGS, {endpoints.CHAT}),
    ],
)
def test_where_no_interpreter_helps_the_target_says_so(route: Endpoint, speaks: set[Endpoint]) -> None:
    call = parse(route, b'{"model":"m","input":"hi"}')
    with pytest.raises(NotTranslatable, match=f"The target local/m does not answer on {route.path}"):
        translator_for(call, TARGET, provider=speaking(*speaks), clock=ManualClock())


def test_what_is_sent_and_what_is_told_of_it() -> None:
    provider = speaking(endpoints.CHAT)
    fitted, found = build_translated_request(asked(truncation="auto"), TARGET, provider=provider, clock=ManualClock())
    assert (fitted.endpoint, fitted.stream, found is None) == (endpoints.CHAT, True, False)
    assert fitted.adaptations == ("responses: chat", "truncation: dropped")
    provider.endpoints = frozenset({endpoints.RESPONSES})
    fitted, found = build_translated_request(asked(truncation="auto"), TARGET, provider=provider, clock=ManualClock())
    assert (fitted.endpoint, fitted.adaptations, found) == (endpoints.RESPONSES, (), None)


def test_reasoning_goes_back_where_it_is_wanted() -> None:
    provider = speaking(endpoints.CHAT)
    provider.reasoning_field = "reasoning_content"
    thought = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    call = asked(input=[thought, {"role": "assistant", "content": "x"}])
    found = translator_for(call, TARGET, provider=provider, clock=ManualClock())
    assert found is not None
    for one in (found, found.renewed()):
        assert one.call.body["messages"][0]["reasoning_content"] == "hm"
        assert one.unsupported_fields == ("responses: chat",)


def test_what_chat_cannot_say_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(NotTranslatable):
        interpreter(tools=[{"type": "web_search"}])


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_any_cut_gives_the_same_events(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    parts = (STREAM[start:end] for start, end in pairwise(places))
    assert interpreted(parts) == interpreted(iter([STREAM]))


def test_the_watch_sees_a_response() -> None:
    watch = observer_for(endpoints.RESPONSES)
    sights = [watch.observe(event) for event in interpreted(iter([STREAM]))]
    assert sights == [EventKind.ORDINARY] * (len(sights) - 1) + [EventKind.TERMINAL]
    assert (watch.is_complete, watch.storable, watch.model) == (True, True, "served")
    assert msgspec.json.decode(watch.usage or b"")["input_tokens"] == 7


def test_each_event_names_its_type_and_is_one_line_of_data() -> None:
    for event in interpreted(iter([STREAM])):
        name, data, *rest = event.decode().split("\n")
        assert rest == ["", ""]
        assert name == f"event: {msgspec.json.decode(data.removeprefix('data: '))['type']}"


def test_whole_and_streamed_say_the_same() -> None:
    whole = msgspec.json.decode(interpreter().translate_body(msgspec.json.encode(COMPLETION)))
    told = [msgspec.json.decode(sse.data_of(event) or b"") for event in interpreted(iter([STREAM]))]
    assert responses.from_events(told) == whole


def test_a_stream_that_leaves_done_out_ends_where_its_choice_has() -> None:
    between = interpreter()
    for event in sse.EventSplitter().feed(STREAM.removesuffix(sse.DONE)):
        between.translate_event(event)
    (last,) = between.end()[-1:]
    assert b"response.completed" in last
    assert between.end() == []


def test_one_that_breaks_off_has_no_end() -> None:
    between, splitter = interpreter(), sse.EventSplitter()
    events = [event for chunk in splitter.feed(STREAM)[:3] for event in between.translate_event(chunk)]
    assert between.end() == []
    with pytest.raises(TruncatedAnswer):
        responses.from_events([msgspec.json.decode(sse.data_of(event) or b"") for event in events])


@pytest.mark.parametrize("said", [{"message": "no", "type": "server_error", "code": "c", "param": None}, "no"])
def test_an_error_in_the_stream_is_nested_and_flat(said: Any) -> None:
    between = interpreter()
    (first, *_) = sse.EventSplitter().feed(STREAM)
    begun = between.translate_event(first)
    (event,) = between.translate_event(sse.encode(msgspec.json.encode({"error": said})))
    told = msgspec.json.decode(sse.data_of(event) or b"")
    assert (told["type"], told["message"], told["error"]["message"]) == ("error", "no", "no")
    assert told["sequence_number"] == len(begun)
    assert observer_for(endpoints.RESPONSES).observe(event) is EventKind.ERROR


def test_an_error_in_place_of_an_answer_is_left_as_it_is() -> None:
    body = b'{"error":{"message":"no"}}'
    assert interpreter().translate_body(body) == body


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices":[]}', b'{"choices":7}', b'{"choices":[{"index":1}]}'])
def test_what_is_no_completion_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        interpreter().translate_body(body)


def test_comments_say_nothing() -> None:
    assert interpreter().translate_event(b": ping\n\n") == []
    assert interpreter().translate_event(sse.DONE) == []
