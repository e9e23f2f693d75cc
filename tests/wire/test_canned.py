"""A canned answer is a completion or a Response that the official client accepts, and costs nothing."""

from typing import Any

import msgspec
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.wire import chat, responses, sse
from tidegate.wire.call import parse
from tidegate.wire.canned import canned_answer
from tidegate.wire.stream_observer import EventKind, observer_for

Json = dict[str, Any]

TEXT = "We cannot answer right now. Please try again in a few minutes. 🌊"
CHAT: Json = {"model": "smart", "messages": [{"role": "user", "content": "Hi"}]}
RESPONSES: Json = {"model": "smart", "input": "Hi"}
ANY_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
NOW = 1_790_000_000.5


def canned_for(route: Endpoint, body: Json) -> tuple[bytes, ...] | None:
    return canned_answer(parse(route, msgspec.json.encode(body)), TEXT, digits="0" * 32, now=NOW)


def events(route: Endpoint, body: Json) -> list[bytes]:
    answer = canned_for(route, {**body, "stream": True})
    assert answer is not None
    return list(answer)


def documents(stream: list[bytes]) -> list[Json]:
    datas = [sse.data_of(event) for event in stream]
    return [msgspec.json.decode(data) for data in datas if data and data != b"[DONE]"]


def whole(route: Endpoint, body: Json) -> Json:
    answer = canned_for(route, body)
    assert answer is not None
    assert len(answer) == 1
    document: Json = msgspec.json.decode(answer[0])
    return document


def test_a_completion() -> None:
    made = ChatCompletion.model_validate(whole(endpoints.CHAT, CHAT), strict=True)
    assert (made.model, made.created, made.choices[0].finish_reason) == ("smart", int(NOW), "stop")
    assert made.choices[0].message.content == TEXT
    assert made.usage is not None
    assert made.usage.total_tokens == 0


def test_a_completions_stream() -> None:
    stream = events(endpoints.CHAT, CHAT)
    assert stream[-1] == sse.DONE
    chunks = documents(stream)
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["total_tokens"]) == ([], 0)
    assert chat.from_chunks(chunks)["choices"] == whole(endpoints.CHAT, CHAT)["choices"]


def test_each_choice_that_was_asked_for() -> None:
    assert [choice["index"] for choice in whole(endpoints.CHAT, {**CHAT, "n": 3})["choices"]] == [0, 1, 2]
    assert len(whole(endpoints.CHAT, {**CHAT, "n": 10_000})["choices"]) == 128


def test_a_response() -> None:
    body = {**RESPONSES, "instructions": "Be brief.", "metadata": {"a": "b"}, "store": False, "temperature": 0.5}
    made = Response.model_validate(whole(endpoints.RESPONSES, body), strict=True)
    assert (made.output_text, made.status, made.model) == (TEXT, "completed", "smart")
    assert (made.instructions, made.metadata, made.temperature) == ("Be brief.", {"a": "b"}, 0.5)
    assert made.usage is not None
    assert made.usage.total_tokens == 0


def test_a_responses_stream_has_all_events_in_order() -> None:
    seen = documents(events(endpoints.RESPONSES, RESPONSES))
    for event in seen:
        ANY_EVENT.validate_python(event, strict=True)
    assert [event["sequence_number"] for event in seen] == list(range(len(seen)))
    kinds = list(dict.fromkeys(event["type"].removeprefix("response.") for event in seen))
    assert kinds == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.done",
        "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    assert responses.from_events(seen) == whole(endpoints.RESPONSES, RESPONSES)


@pytest.mark.parametrize(("route", "body"), [(endpoints.CHAT, CHAT), (endpoints.RESPONSES, RESPONSES)])
def test_a_watch_sees_a_complete_answer(route: Endpoint, body: Json) -> None:
    watch = observer_for(route)
    sights = [watch.observe(event) for event in events(route, body)]
    assert (sights[-1], set(sights[:-1])) == (EventKind.TERMINAL, {EventKind.ORDINARY})
    assert watch.is_complete


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (endpoints.EMBEDDINGS, {"model": "e", "input": "x"}),
        (endpoints.MODERATIONS, {"input": "x"}),
        (endpoints.CHAT, {**CHAT, "response_format": {"type": "json_schema", "json_schema": {}}}),
        (endpoints.CHAT, {**CHAT, "response_format": {"type": "json_object"}}),
        (endpoints.CHAT, {**CHAT, "modalities": ["text", "audio"]}),
        (endpoints.CHAT, {**CHAT, "tool_choice": "required"}),
        (endpoints.CHAT, {**CHAT, "tool_choice": {"type": "function", "function": {"name": "f"}}}),
        (endpoints.RESPONSES, {**RESPONSES, "text": {"format": {"type": "json_schema", "name": "x", "schema": {}}}}),
        (endpoints.RESPONSES, {**RESPONSES, "tool_choice": "required"}),
    ],
)
def test_where_a_text_is_no_answer_there_is_none(route: Endpoint, body: Json) -> None:
    assert canned_for(route, body) is None
    assert canned_for(route, {**body, "stream": True}) is None


@pytest.mark.parametrize(
    "odd",
    [
        {"tools": 7}, {"tools": [7]}, {"reasoning": "high"}, {"text": []}, {"metadata": 7}, {"n": "two"}, {"n": -1},
        {"modalities": 7}, {"response_format": 7}, {"text": {"format": 7}},
    ],
)  # fmt: skip
@pytest.mark.parametrize(("route", "body"), [(endpoints.CHAT, CHAT), (endpoints.RESPONSES, RESPONSES)])
def test_a_request_that_nobody_has_checked_does_no_harm(route: Endpoint, body: Json, odd: Json) -> None:
    assert TEXT.encode() in b"".join(canned_for(route, {**body, **odd}) or ())
