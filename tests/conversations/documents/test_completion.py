"""A stored chat completion has its own id in each chunk, and is the same streamed and unstreamed."""

from typing import Any

import msgspec
import pytest

from tidegate.conversations.documents.completion import CompletionDocument, messages_of
from tidegate.core.errors import MalformedAnswer
from tidegate.wire import chat, sse

Json = dict[str, Any]

ANSWER: Json = {
    "id": "chatcmpl-theirs",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": 'It is "chatcmpl-theirs".', "refusal": None},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


def form(**body: Any) -> CompletionDocument:
    return CompletionDocument("chatcmpl-ours", body, {"a": "b"})


def chunks() -> list[bytes]:
    return [sse.encode(msgspec.json.encode(chunk)) for chunk in chat.to_chunks(ANSWER)]


def test_each_chunk_has_our_id_and_the_text_stays() -> None:
    changing = form()
    remaining = [changing.rewrite_event(event) for event in [*chunks(), sse.DONE]]
    read = [msgspec.json.decode(sse.data_of(event) or b"") for event in remaining[:-1]]
    assert remaining[-1] == sse.DONE
    assert {chunk["id"] for chunk in read} == {"chatcmpl-ours"}
    text = "".join(choice["delta"].get("content") or "" for chunk in read for choice in chunk["choices"])
    assert text == 'It is "chatcmpl-theirs".'


def test_whole_and_streamed_keep_the_same() -> None:
    streamed = form(temperature=0.5)
    for event in [*chunks(), sse.DONE]:
        streamed.rewrite_event(event)
    body, whole = form(temperature=0.5).rewrite_body(msgspec.json.encode(ANSWER))
    assert streamed.stored_document() == whole
    assert msgspec.json.decode(body) == {**ANSWER, "id": "chatcmpl-ours"}
    assert (whole["temperature"], whole["top_p"], whole["metadata"]) == (0.5, 1.0, {"a": "b"})


def test_a_first_chunk_without_an_id_is_left_alone() -> None:
    changing = form()
    first = sse.encode(b'{"id":"","object":"chat.completion.chunk","choices":[]}')
    assert changing.rewrite_event(first) == first
    assert b"chatcmpl-ours" in changing.rewrite_event(chunks()[0])


@pytest.mark.parametrize(
    ("content", "text", "parts"),
    [
        ("Hello", "Hello", None),
        (None, None, None),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb", 2),
        ([{"type": "image_url", "image_url": {"url": "data:,"}}], None, 1),
    ],
)
def test_messages_are_listed_with_their_text_or_their_parts(content: Any, text: str | None, parts: int | None) -> None:
    (listed,) = messages_of("chatcmpl-1", [{"role": "user", "content": content, "name": "ann"}])
    assert listed["id"] == "chatcmpl-1-0"
    assert (listed["role"], listed["name"], listed["refusal"]) == ("user", "ann", None)
    assert listed["content"] == text
    assert (listed["content_parts"] and len(listed["content_parts"])) == parts


def test_what_is_no_message_is_not_listed() -> None:
    assert messages_of("chatcmpl-1", ["Hello", {"role": "tool", "tool_call_id": "c", "content": "4"}])[0][
        "id"
    ].endswith("-1")
    assert messages_of("chatcmpl-1", "Hello") == []


def test_a_stream_that_jumps_between_choices_and_kinds_is_kept_as_its_chunks_say() -> None:
    def chunk(index: int, delta: Json, **fields: Any) -> Json:
        return {"id": "c", "model": "m", "choices": [{"index": index, "delta": delta, "logprobs": None, **fields}]}

    chunks = [
        chunk(0, {"role": "assistant", "content": ""}),
        chunk(1, {"role": "assistant", "content": "b"}),
        *[chunk(number % 2, {"content": str(number)}) for number in range(6)],
        chunk(0, {"content": "x"}, logprobs={"content": [{"token": "x"}]}),
        chunk(0, {"content": "y"}),
        chunk(1, {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": "{"}}]}),
        chunk(1, {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}),
        chunk(0, {}, finish_reason="stop"),
        chunk(1, {}, finish_reason="tool_calls"),
        {"id": "c", "model": "m", "choices": [], "usage": {"total_tokens": 3}},
    ]
    changing = form()
    for event in chunks:
        changing.rewrite_event(sse.encode(msgspec.json.encode(event)))
    kept, expected = changing.stored_document(), chat.from_chunks(chunks)
    assert kept["choices"] == expected["choices"]
    assert kept["usage"] == expected["usage"]


@pytest.mark.parametrize("data", [b'{"id":"c","choices":5}', b'{"id":"c","choices":[7]}', b"[]", b"{"])
def test_what_is_no_completion_is_a_typed_error(data: bytes) -> None:
    changing = form()
    changing.rewrite_event(sse.encode(data))
    with pytest.raises(MalformedAnswer):
        changing.stored_document()


def test_a_body_that_is_no_object_is_a_typed_error() -> None:
    with pytest.raises(MalformedAnswer):
        form().rewrite_body(b"[]")
