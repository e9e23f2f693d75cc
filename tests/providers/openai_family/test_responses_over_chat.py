"""Where a provider only speaks chat, its bytes come back as a Response's, wherever the network cut them."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core import endpoints
from tidegate.core.clock import ManualClock
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import EmptyAnswer, MalformedAnswer, NotTranslatable, TruncatedAnswer
from tidegate.providers.base import ProviderRequest
from tidegate.providers.openai_family.responses_over_chat import ResponsesOverChat, Translator
from tidegate.providers.request_body import joined
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


def call_of(**fields: Any) -> Call:
    return parse(endpoints.RESPONSES, msgspec.json.encode({"model": "m", "input": "hi", "stream": True, **fields}))


def request_for(call: Call, *provider_endpoints: Endpoint, reasoning_field: str | None = None) -> ProviderRequest:
    """The request for a call at a provider that has these endpoints."""
    translation = ResponsesOverChat(ManualClock(), reasoning_field=reasoning_field, ids=lambda kind: f"{kind}1")
    return translation.build_request(call, TARGET, frozenset(provider_endpoints), _chat_request)


def _chat_request(call: Call) -> ProviderRequest:
    return ProviderRequest(
        target=TARGET,
        endpoint=call.endpoint,
        url="",
        body=call.upstream_body(),
        stream=call.stream,
        adaptations=("x: y",),
    )


def translator(**fields: Any) -> Translator:
    return Translator(call_of(**fields), clock=ManualClock(), ids=lambda kind: f"{kind}1")


def translate(parts: Iterator[bytes]) -> list[bytes]:
    between, splitter = translator(), sse.EventSplitter()
    return [event for part in parts for chunk in splitter.feed(part) for event in between.translate_event(chunk)]


@pytest.mark.parametrize(
    ("endpoint", "provider_endpoints"),
    [
        (endpoints.RESPONSES, {endpoints.EMBEDDINGS}),
        (endpoints.CHAT, {endpoints.RESPONSES}),
        (endpoints.EMBEDDINGS, {endpoints.CHAT}),
    ],
)
def test_where_no_translation_exists_the_error_names_the_target(
    endpoint: Endpoint, provider_endpoints: set[Endpoint]
) -> None:
    call = parse(endpoint, b'{"model":"m","input":"hi"}')
    with pytest.raises(NotTranslatable, match=f"The target local/m does not answer on {endpoint.path}"):
        request_for(call, *provider_endpoints)


def test_a_request_is_a_chat_call_and_its_answer_a_response() -> None:
    request = request_for(call_of(truncation="auto"), endpoints.CHAT)
    assert (request.endpoint, request.stream) == (endpoints.RESPONSES, True)
    assert request.adaptations == ("responses: chat", "truncation: dropped", "x: y")
    assert msgspec.json.decode(joined(request.body))["messages"] == [{"role": "user", "content": "hi"}]
    assert request.new_translator is not None
    assert request.new_translator() is not request.new_translator()


def test_reasoning_is_returned_where_the_provider_takes_it() -> None:
    reasoning = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    call = call_of(input=[reasoning, {"role": "assistant", "content": "x"}])
    request = request_for(call, endpoints.CHAT, reasoning_field="reasoning_content")
    assert msgspec.json.decode(joined(request.body))["messages"][0]["reasoning_content"] == "hm"
    assert request.adaptations == ("responses: chat", "x: y")


def test_what_chat_cannot_say_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(NotTranslatable):
        request_for(call_of(tools=[{"type": "web_search"}]), endpoints.CHAT)


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_any_cut_gives_the_same_events(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    parts = (STREAM[start:end] for start, end in pairwise(places))
    assert translate(parts) == translate(iter([STREAM]))


def test_the_watch_sees_a_response() -> None:
    watch = observer_for(endpoints.RESPONSES)
    sights = [watch.observe(event) for event in translate(iter([STREAM]))]
    assert sights == [EventKind.ORDINARY] * (len(sights) - 1) + [EventKind.TERMINAL]
    assert (watch.is_complete, watch.is_worth_storing([]), watch.model) == (True, True, "served")
    assert msgspec.json.decode(watch.usage or b"")["input_tokens"] == 7


def test_each_event_names_its_type_and_is_one_line_of_data() -> None:
    for event in translate(iter([STREAM])):
        name, data, *rest = event.decode().split("\n")
        assert rest == ["", ""]
        assert name == f"event: {msgspec.json.decode(data.removeprefix('data: '))['type']}"


def test_whole_and_streamed_say_the_same() -> None:
    whole = msgspec.json.decode(translator().translate_body(msgspec.json.encode(COMPLETION)))
    told = [msgspec.json.decode(sse.data_of(event) or b"") for event in translate(iter([STREAM]))]
    assert responses.from_events(told) == whole


def test_a_stream_that_leaves_done_out_ends_where_its_choice_has() -> None:
    between = translator()
    for event in sse.EventSplitter().feed(STREAM.removesuffix(sse.DONE)):
        between.translate_event(event)
    (last,) = between.end()[-1:]
    assert b"response.completed" in last
    assert between.end() == []


def test_one_that_breaks_off_has_no_end() -> None:
    between, splitter = translator(), sse.EventSplitter()
    events = [event for chunk in splitter.feed(STREAM)[:3] for event in between.translate_event(chunk)]
    assert between.end() == []
    with pytest.raises(TruncatedAnswer):
        responses.from_events([msgspec.json.decode(sse.data_of(event) or b"") for event in events])


@pytest.mark.parametrize("said", [{"message": "no", "type": "server_error", "code": "c", "param": None}, "no"])
def test_an_error_in_the_stream_is_nested_and_flat(said: Any) -> None:
    between = translator()
    (first, *_) = sse.EventSplitter().feed(STREAM)
    begun = between.translate_event(first)
    (event,) = between.translate_event(sse.encode(msgspec.json.encode({"error": said})))
    told = msgspec.json.decode(sse.data_of(event) or b"")
    assert (told["type"], told["message"], told["error"]["message"]) == ("error", "no", "no")
    assert told["sequence_number"] == len(begun)
    assert observer_for(endpoints.RESPONSES).observe(event) is EventKind.ERROR


def test_an_error_in_place_of_an_answer_is_left_as_it_is() -> None:
    body = b'{"error":{"message":"no"}}'
    assert translator().translate_body(body) == body


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices":7}', b'{"choices":[{"index":1}]}'])
def test_what_is_no_completion_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        translator().translate_body(body)


def test_a_completion_without_a_choice_is_empty() -> None:
    with pytest.raises(EmptyAnswer):
        translator().translate_body(b'{"choices":[]}')


def test_comments_say_nothing() -> None:
    assert translator().translate_event(b": ping\n\n") == []
    assert translator().translate_event(b"data:\n\n") == []


def test_an_end_without_a_beginning_is_malformed() -> None:
    with pytest.raises(MalformedAnswer, match="without content"):
        translator().translate_event(sse.DONE)


def test_the_chat_completions_own_reason_is_known() -> None:
    translated = translator()
    assert translated.end_reason is None
    translated.translate_event(sse.encode(b'{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"OTHER"}]}'))
    assert translated.end_reason == "other"
