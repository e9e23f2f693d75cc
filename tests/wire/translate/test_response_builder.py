"""Chat chunks become OpenAI's events, in its order, for all providers' variants of chunks."""

import contextlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.wire.translate.hostile import ANYTHING, objects
from tidegate.core.errors import MalformedAnswer
from tidegate.wire import chat
from tidegate.wire.shapes.chat_stream import ChatStreamMender
from tidegate.wire.translate.chunk import convert_chunk, decode_chunk
from tidegate.wire.translate.response_builder import ResponseBuilder

Json = dict[str, Any]

ANY_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
TERMINAL = {"response.completed", "response.incomplete", "response.failed"}
LOGPROB = {"token": "Hi", "logprob": -0.1, "bytes": None, "top_logprobs": []}
CITATION = {"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 1, "title": "t", "url": "u"}}


def delta(finish: str | None = None, logprobs: Any = None, **fields: Any) -> Json:
    return {"model": "m", "choices": [{"index": 0, "delta": fields, "logprobs": logprobs, "finish_reason": finish}]}


def piece(index: int | None, arguments: str | None = None, **head: Any) -> Json:
    return {"index": index, **head, "function": {"arguments": arguments, "name": head.pop("name", None)}}


def head(index: int | None, call_id: str, name: str = "f", arguments: str | None = "") -> Json:
    return {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def events_of(chunks: Iterable[Json], *, request_body: Json | None = None, ended: bool = True) -> list[Json]:
    answer = ResponseBuilder(
        {"input": "hi", **(request_body or {})}, response_id="resp_1", model="asked", created_at=1_790_000_000
    )
    mended = map(ChatStreamMender().mend_chunk, chunks)
    events = [event for one in mended for event in answer.add_chunk(convert_chunk(dict(one)))]
    return events + (answer.finish(at=1_790_000_001) if ended else [])


def kinds(events: Iterable[Json]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def check(events: list[Json]) -> Json:
    """All that is true of every stream; returns its Response."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert kinds(events[:2]) == ["created", "in_progress"]
    assert [event["type"] in TERMINAL for event in events] == [False] * (len(events) - 1) + [True]
    for event in events:
        ANY_EVENT.validate_json(msgspec.json.encode(event), strict=True)
    response: Json = events[-1]["response"]
    Response.model_validate_json(msgspec.json.encode(response), strict=True)
    _balanced(events)
    _sum_up(events, response)
    return response


def _balanced(events: list[Json]) -> None:
    """Each added has its done, for the same item, and the last done is what the Response holds."""
    for thing in ("output_item", "content_part"):
        places: list[Counter[Any]] = [
            Counter((event["output_index"], event.get("content_index")) for event in events if event["type"] == kind)
            for kind in (f"response.{thing}.added", f"response.{thing}.done")
        ]
        assert places[0] == places[1]
        assert set(places[0].values()) <= {1}
    done = {event["output_index"]: event["item"] for event in events if event["type"] == "response.output_item.done"}
    assert [done[index] for index in sorted(done)] == events[-1]["response"]["output"]


def _sum_up(events: list[Json], response: Json) -> None:
    """The deltas of each text, joined, are what its done event says."""
    fields: Counter[Any] = Counter()
    for event in events:
        stem, _, last = event["type"].rpartition(".")
        place = (stem, event.get("item_id"), event.get("content_index"))
        if last == "delta":
            fields[place] = (fields[place] or "") + event["delta"]
        elif last == "done" and stem not in ("response.output_item", "response.content_part"):
            field = next(name for name in ("text", "refusal", "arguments", "input") if name in event)
            assert event[field] == (fields[place] or "")
            assert response["output"][event["output_index"]]["id"] == event["item_id"]


def test_words() -> None:
    events = events_of([delta(role="assistant", content=""), delta(content="Hel"), delta(content="lo"), delta("stop")])
    assert kinds(events) == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    response = check(events)
    assert response["output"][0]["content"][0]["text"] == "Hello"
    assert (response["status"], response["model"], response["usage"]) == ("completed", "m", None)


def test_usage_comes_last_and_is_told() -> None:
    response = check(
        events_of([delta(content="x"), delta("stop"), {"choices": [], "usage": USAGE, "service_tier": "flex"}])
    )
    assert (response["usage"]["input_tokens"], response["usage"]["output_tokens"]) == (7, 3)
    assert response["service_tier"] == "flex"


def test_thoughts_words_and_calls_follow_one_another() -> None:
    response = check(
        events_of(
            [
                delta(reasoning_content="let "),
                delta(reasoning_content="me"),
                delta(content="Well"),
                delta(tool_calls=[head(0, "call_1", "f")]),
                delta(tool_calls=[piece(0, '{"a":')]),
                delta(tool_calls=[piece(0, "1}")]),
                delta(tool_calls=[head(1, "call_2", "g", "{}")]),
                delta("tool_calls"),
            ]
        )
    )
    assert [item["type"] for item in response["output"]] == ["reasoning", "message", "function_call", "function_call"]
    assert [item.get("call_id") for item in response["output"][2:]] == ["call_1", "call_2"]
    assert response["output"][2]["arguments"] == '{"a":1}'
    assert [item["status"] for item in response["output"]] == ["completed"] * 4


def test_an_item_is_done_before_the_next_begins() -> None:
    events = events_of(
        [delta(content="a"), delta(tool_calls=[head(0, "1", arguments="{}")]), delta(tool_calls=[head(1, "2")])]
    )
    order = [event["output_index"] for event in events if "output_item" in event["type"]]
    assert order == [0, 0, 1, 1, 2, 2]


CALLS: dict[str, tuple[list[Json], list[tuple[str, str]]]] = {
    "heads first": (
        [
            delta(tool_calls=[head(0, "1"), head(1, "2")]),
            delta(tool_calls=[piece(0, '{"a":1}')]),
            delta(tool_calls=[piece(1, '{"b":2}')]),
        ],
        [("1", '{"a":1}'), ("2", '{"b":2}')],
    ),
    "each whole": (
        [delta(tool_calls=[head(0, "1", arguments="{}"), head(1, "2", arguments="{}")])],
        [("1", "{}"), ("2", "{}")],
    ),
    "all numbered 0": (
        [delta(tool_calls=[head(0, "1", arguments="{}")]), delta(tool_calls=[head(0, "2", arguments="{}")])],
        [("1", "{}"), ("2", "{}")],
    ),
    "not numbered": (
        [
            delta(tool_calls=[head(None, "1")]),
            delta(tool_calls=[piece(None, "{}")]),
            delta(tool_calls=[head(None, "2", arguments="{}")]),
        ],
        [("1", "{}"), ("2", "{}")],
    ),
    "the id again and again": (
        [delta(tool_calls=[head(0, "1", arguments="{")]), delta(tool_calls=[head(0, "1", arguments="}")])],
        [("1", "{}")],
    ),
    "the name late": (
        [
            delta(tool_calls=[{"index": 0, "id": "1", "function": {"arguments": "{"}}]),
            delta(tool_calls=[piece(0, "}", name="f")]),
        ],
        [("1", "{}")],
    ),
    "no name at all": ([delta(tool_calls=[{"index": 0, "id": "1", "function": {"arguments": "{}"}}])], [("1", "{}")]),
    "no argument": ([delta(tool_calls=[head(0, "1")])], [("1", "")]),
    "the old form": ([delta(function_call={"name": "f", "arguments": "{}"})], [("call_100", "{}")]),
}  # fmt: skip


@pytest.mark.parametrize("habit", CALLS)
def test_calls_however_they_are_told(habit: str) -> None:
    chunks, calls = CALLS[habit]
    response = check(events_of([*chunks, delta("tool_calls")]))
    assert [(item["call_id"], item["arguments"]) for item in response["output"]] == calls


def test_a_custom_tool() -> None:
    first = {"index": 0, "id": "1", "type": "custom", "custom": {"name": "log", "input": "x"}}
    chunks = [
        delta(tool_calls=[first]),
        delta(tool_calls=[{"index": 0, "custom": {"input": " y"}}]),
        delta("tool_calls"),
    ]
    (item,) = check(events_of(chunks))["output"]
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "log", "x y")


def test_a_call_that_goes_on_after_its_end_is_malformed() -> None:
    chunks = [delta(tool_calls=[head(0, "1", arguments="{}")]), delta(tool_calls=[head(1, "2")])]
    with pytest.raises(MalformedAnswer):
        events_of([*chunks, delta(tool_calls=[piece(0, "more")])])
    check(events_of([*chunks, delta(tool_calls=[piece(0, " ")]), delta("stop")]))


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("a_new_reason", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
        (None, "incomplete", None),
    ],
)
def test_why_it_finished(finish: str | None, status: str, reason: str | None) -> None:
    response = check(events_of([delta(content="x"), delta(finish)]))
    assert response["status"] == status
    assert (response["incomplete_details"] or {}).get("reason") == reason
    assert (response["completed_at"] is None) == (status != "completed")
    assert response["error"] is None
    assert response["output"][0]["status"] == ("completed" if status == "completed" else "incomplete")


def test_a_refusal() -> None:
    events = events_of([delta(refusal="I "), delta(refusal="won't"), delta("stop")])
    assert check(events)["output"][0]["content"] == [{"type": "refusal", "refusal": "I won't"}]
    assert "refusal.done" in kinds(events)


def test_log_probabilities_only_where_they_were_asked_for() -> None:
    chunks = [delta(content="Hi", logprobs={"content": [LOGPROB], "refusal": None}), delta("stop")]
    request_body = {"include": ["message.output_text.logprobs"]}
    events = {**LOGPROB, "bytes": [72, 105]}
    assert check(events_of(chunks, request_body=request_body))["output"][0]["content"][0]["logprobs"] == [events]
    assert check(events_of(chunks))["output"][0]["content"][0]["logprobs"] == []


def test_annotations_are_told_before_the_text_is_done() -> None:
    events = events_of([delta(annotations=[CITATION]), delta(content="x"), delta("stop")])
    assert kinds(events)[4:7] == ["output_text.delta", "output_text.annotation.added", "output_text.done"]
    assert check(events)["output"][0]["content"][0]["annotations"][0]["url"] == "u"


def test_an_answer_of_nothing_is_an_empty_message() -> None:
    response = check(events_of([delta(role="assistant", content=""), delta("stop")]))
    assert response["output"][0]["content"][0]["text"] == ""


def test_where_nothing_was_begun_nothing_ends() -> None:
    assert events_of([{"choices": [], "usage": USAGE}]) == []


def test_it_ends_once() -> None:
    answer = ResponseBuilder({}, response_id="resp_1", model="m", created_at=0)
    answer.add_chunk(convert_chunk(delta("stop", content="x")))
    assert answer.finish_reason
    assert answer.finish(at=1)
    assert answer.finish(at=1) == []
    assert answer.add_chunk(convert_chunk(delta(content="more"))) == []


_WORDS = st.sampled_from(["", "a", "tide ", "é", '"\\', "\n", "high water"])
_DELTAS = st.one_of(
    st.builds(lambda words: delta(content=words), _WORDS),
    st.builds(lambda words: delta(reasoning_content=words), _WORDS),
    st.builds(lambda words: delta(refusal=words), _WORDS),
    st.builds(lambda index: delta(tool_calls=[head(index, f"call_{index}")]), st.integers(0, 3)),
    st.builds(
        lambda index, words: delta(tool_calls=[head(index, f"call_{index}", arguments=f'["{words.strip()}')]),
        st.integers(0, 3),
        st.sampled_from(["a", "b "]),
    ),
)


@given(st.lists(_DELTAS, max_size=12), st.sampled_from(["stop", "length", "content_filter", "tool_calls"]))
def test_whatever_comes_each_beginning_has_its_end(deltas: list[Json], finish: str) -> None:
    check(events_of([*deltas, delta(finish), {"choices": [], "usage": USAGE}]))


_DELTA = objects("content", "refusal", "reasoning_content", "reasoning", "tool_calls", "function_call", "annotations")


@given(st.lists(st.tuples(_DELTA, ANYTHING), max_size=3), ANYTHING)
def test_nothing_that_a_provider_says_breaks_the_translation(fields: list[tuple[Json, Any]], usage: Any) -> None:
    answer = ResponseBuilder({"top_logprobs": 1}, response_id="resp_1", model="m", created_at=0)
    with contextlib.suppress(MalformedAnswer):
        for one, tokens in fields:
            chunk = {**delta("stop", **one), "usage": usage}
            chunk["choices"][0]["logprobs"] = {"content": [tokens]}
            answer.add_chunk(decode_chunk(msgspec.json.encode(chunk)))
        msgspec.json.encode(answer.finish(at=1))


_CALL = st.builds(
    lambda number, words: {
        "id": f"call_{number}",
        "type": "function",
        "function": {"name": "f", "arguments": f'"{words}"'},
    },
    st.integers(0, 9),
    st.sampled_from(["", "tide", "high water comes twice a day, and twice a day it goes"]),
)
_PARTS: dict[Any, st.SearchStrategy[Any]] = {
    "content": st.one_of(st.none(), _WORDS),
    "reasoning_content": _WORDS,
    "tool_calls": st.lists(_CALL, min_size=1, max_size=3, unique_by=lambda call: str(call["id"])),
}
_MESSAGE = st.fixed_dictionaries({}, optional=_PARTS)


@given(_MESSAGE, st.integers(1, 5))
def test_whole_or_in_pieces_it_is_the_same_response(message: Json, size: int) -> None:
    completion = {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": USAGE}
    whole = check(events_of(chat.to_chunks(completion, cut=lambda text: [text])))

    def pieces(text: str) -> list[str]:
        return [text[at : at + size] for at in range(0, len(text), size)]

    assert check(events_of(chat.to_chunks(completion, cut=pieces))) == whole
