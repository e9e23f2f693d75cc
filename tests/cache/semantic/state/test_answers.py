"""Only fresh answers of the project are given to others, and only whole ones that are text alone."""

from typing import Any

import msgspec
import pytest

from tidegate.cache.semantic.state.answers import StoredAnswers, text_of_answer
from tidegate.cache.stored import AnswerCodec, StoredAnswer
from tidegate.core.clock import ManualClock
from tidegate.core.endpoints import CHAT, RESPONSES
from tidegate.storage.names import RedisNames, escape
from tidegate.storage.redis import RedisLink
from tidegate.wire.answer_form import to_stream

CHOICE = {"index": 0, "message": {"role": "assistant", "content": "At noon."}, "finish_reason": "stop"}
PART = {"type": "output_text", "text": "At noon.", "annotations": []}
MESSAGE = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [PART]}


def _chat(**changes: Any) -> bytes:
    choice = {**CHOICE, **changes}
    return msgspec.json.encode(
        {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    )


def _response(*output: dict[str, Any], status: str = "completed") -> bytes:
    return msgspec.json.encode({"id": "r", "object": "response", "status": status, "output": list(output)})


def test_the_text_of_a_whole_answer_is_read_in_both_forms() -> None:
    assert text_of_answer(CHAT, _chat(), stream=False) == "At noon."
    assert text_of_answer(CHAT, b"".join(to_stream(CHAT, _chat())), stream=True) == "At noon."
    assert text_of_answer(RESPONSES, _response({"type": "reasoning", "id": "x"}, MESSAGE), stream=False) == "At noon."


@pytest.mark.parametrize(
    "body",
    [
        _chat(finish_reason="length"),
        _chat(finish_reason="content_filter"),
        _chat(message={"role": "assistant", "content": None, "refusal": "No."}),
        _chat(message={"role": "assistant", "content": "x", "tool_calls": [{"id": "t"}]}),
        _chat(message={"role": "assistant", "content": ""}),
        _chat(message={"role": "assistant", "content": "a" * 70_000}),
        b"{}",
        b"[]",
        b"not JSON",
    ],
)
def test_an_answer_of_another_kind_is_given_to_no_other_caller(body: bytes) -> None:
    assert text_of_answer(CHAT, body, stream=False) is None


@pytest.mark.parametrize(
    "body",
    [
        _response(MESSAGE, status="incomplete"),
        _response({"type": "function_call", "name": "f"}),
        _response({**MESSAGE, "content": [{"type": "refusal", "refusal": "No."}]}),
        _response(),
    ],
)
def test_a_response_of_another_kind_is_not_either(body: bytes) -> None:
    assert text_of_answer(RESPONSES, body, stream=False) is None


@pytest.mark.parametrize(
    ("project", "now", "max_age", "found"),
    [
        ("t/a:x", 1010.0, None, True),
        ("t/a:x", 1010.0, 10, True),
        ("t/a:x", 1010.0, 9, False),
        ("t/a:x", 1100.0, None, False),
        ("t", 1010.0, None, False),
    ],
)
async def test_a_fresh_answer_of_the_project_is_found(
    redis_link: RedisLink, redis_prefix: str, project: str, now: float, max_age: int | None, found: bool
) -> None:
    codec, key = AnswerCodec(), RedisNames(redis_prefix).of("answer", "f1")
    head, body = codec.pack(StoredAnswer(stream=False, body=_chat(), served_by="openai/m"))
    fields = ("at", 1000.0, "until", 1100.0, "head", head, "body", body, "account", b'{"saved_nanos":7}')
    await redis_link.command("HSET", key, *fields, "in", escape("t/a:x"))
    answers = StoredAnswers(redis_link, codec, ManualClock(now), prefix=redis_prefix)
    answer = await answers.find("f1", project=project, max_age=max_age)
    assert (answer is not None) == found
    assert answer is None or (answer.saved_nanos, answer.age, answer.answer.body) == (7, 10.0, _chat())
