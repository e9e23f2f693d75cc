"""What an answer holds is found in every shape of it: text, calls, refusals, items, vectors, or nothing."""

import base64
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.wire import chat, responses, sse
from tidegate.wire.shapes.answer_facts import (
    MessageFacts,
    facts_of_messages,
    facts_of_output,
    facts_of_stream,
    has_vectors,
)

Json = dict[str, Any]

CALL: Json = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
BROKEN: Json = {**CALL, "function": {"name": "f", "arguments": '{"city":'}}
GOOD, NOTHING = MessageFacts(has_output=True), MessageFacts(has_output=False)
REFUSED = MessageFacts(has_output=False, is_refused=True)

MESSAGES: list[tuple[Json, MessageFacts]] = [
    ({"content": "High tide"}, GOOD),
    ({"content": "High tide", "refusal": None, "reasoning_content": "Hm"}, GOOD),
    ({"content": None, "tool_calls": [CALL]}, GOOD),
    ({"content": None, "function_call": {"name": "f", "arguments": "{}"}}, GOOD),
    ({"content": None, "audio": {"id": "a", "data": "eA==", "transcript": "x"}}, GOOD),
    ({"content": "", "images": [{"type": "image_url", "image_url": {"url": "data:"}}]}, GOOD),
    ({"content": [{"type": "text", "text": "High tide"}]}, GOOD),
    ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]}, NOTHING),
    ({"content": ""}, NOTHING),
    ({"content": None}, NOTHING),
    ({"content": " \n"}, NOTHING),
    ({"content": "", "reasoning_content": "Hm"}, NOTHING),
    ({"content": "", "reasoning": "Hm", "reasoning_details": [{"text": "Hm"}]}, NOTHING),
    ({"content": "", "tool_calls": []}, NOTHING),
    ({"content": "", "annotations": [{"type": "url_citation"}]}, NOTHING),
    ({"content": None, "refusal": "No."}, REFUSED),
]


@pytest.mark.parametrize(("message", "facts"), MESSAGES)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_chat_message(message: Json, facts: MessageFacts, streamed: bool) -> None:
    if not streamed:
        assert facts_of_messages([raw(message)]) == facts
        return
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    chunks = chat.to_chunks({"choices": [choice], "usage": {"total_tokens": 3}})
    events = [sse.encode(msgspec.json.encode(chunk)) for chunk in chunks]
    assert facts_of_stream([*events, sse.DONE], [0]) == facts


def raw(document: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(document))


def test_each_choice_has_to_hold_something() -> None:
    assert facts_of_messages([raw({"content": "a"}), raw({"content": ""})]) == NOTHING
    assert facts_of_messages([]) == NOTHING
    chunk = sse.encode(b'{"choices":[{"index":0,"delta":{"content":"a"}}]}')
    assert facts_of_stream([chunk, sse.DONE], [0, 1]) == NOTHING


@pytest.mark.parametrize(("call", "is_broken"), [(CALL, False), (BROKEN, True), ({"id": "a"}, True)])
def test_a_call_that_cannot_be_run_is_broken(call: Json, is_broken: bool) -> None:
    assert facts_of_messages([raw({"tool_calls": [CALL, call]})]).has_unusable_call is is_broken


def message(*parts: Json) -> Json:
    return {"type": "message", "role": "assistant", "status": "completed", "content": list(parts)}


TEXT = {"type": "output_text", "text": "High tide", "annotations": []}
REFUSAL = {"type": "refusal", "refusal": "No."}
FUNCTION: Json = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}


@pytest.mark.parametrize(
    ("output", "facts"),
    [
        ([message(TEXT)], GOOD),
        ([{"type": "reasoning", "summary": []}, message(TEXT)], GOOD),
        ([FUNCTION], GOOD),
        ([{**FUNCTION, "arguments": ""}], GOOD),
        ([{"type": "custom_tool_call", "name": "f", "input": "x"}], GOOD),
        ([{"type": "image_generation_call", "result": "eA=="}], GOOD),
        ([{"type": "computer_call", "action": {}}], GOOD),
        ([{"type": "a_new_item"}], GOOD),
        ([message({"type": "a_new_part"})], GOOD),
        ([{"type": "message", "content": 7}], GOOD),
        (7, GOOD),
        ([], NOTHING),
        (None, NOTHING),
        ([message()], NOTHING),
        ([message({**TEXT, "text": ""})], NOTHING),
        ([{"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hm"}]}], NOTHING),
        ([{"type": "web_search_call", "status": "completed"}], NOTHING),
        ([message(REFUSAL)], REFUSED),
        ([message(TEXT, REFUSAL)], MessageFacts(has_output=True, is_refused=True)),
        ([{**FUNCTION, "arguments": '{"city":'}], MessageFacts(has_output=True, has_unusable_call=True)),
        ([{**FUNCTION, "name": ""}], MessageFacts(has_output=True, has_unusable_call=True)),
    ],
)
def test_the_output_of_a_response(output: Any, facts: MessageFacts) -> None:
    assert facts_of_output(msgspec.json.encode(output)) == facts


NAN, ZERO = float("nan"), 0.0


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


@pytest.mark.parametrize(
    ("vectors", "good"),
    [
        ([[0.25, -0.5]], True),
        ([[0.0, 0, 1e-9]], True),
        ([[-0.0, -0.5]], True),
        ([packed(0.25, -0.5)], True),
        ([packed(ZERO, ZERO, ZERO, ZERO, 0.5)], True),
        ([[0.25], [0.5]], True),
        ([[0.0, 0.0, 0]], False),
        ([[-0.0, 0e0]], False),
        ([[]], False),
        ([None], False),
        ([""], False),
        ([[None, None]], False),
        ([packed(*[ZERO] * 8)], False),
        ([packed(*[NAN] * 8)], False),
        ([packed(float("inf"), 1, 1)], False),
        ([[0.25], [0.0]], False),
        ([[0.25], None], False),
        ([], False),
    ],
)
def test_vectors(vectors: list[Any], good: bool) -> None:
    data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
    assert has_vectors(msgspec.json.encode({"object": "list", "data": data})) is good


_JSON = st.recursive(
    st.none() | st.integers(0, 2) | st.sampled_from(["", "a", "{"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["content", "tool_calls", "type", "text", "function", "embedding"]), inner)
    ),
    max_leaves=8,
)


@given(_JSON)
def test_nothing_that_a_provider_says_breaks_it(document: Any) -> None:
    encoded = msgspec.json.encode(document)
    assert facts_of_messages([msgspec.Raw(encoded)]) is not None
    assert facts_of_output(encoded) is not None
    assert has_vectors(encoded) in (True, False)


def test_a_streamed_response_holds_what_its_last_event_says() -> None:
    *_, last = responses.to_events({"status": "completed", "output": [message(TEXT)]})
    assert facts_of_output(msgspec.json.encode(last["response"]["output"])) == GOOD
