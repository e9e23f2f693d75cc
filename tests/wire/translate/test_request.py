"""Every parameter of a Responses request is sent, handled by the gateway, ignored or rejected: none is lost."""

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from openai.types.responses.response_create_params import ResponseCreateParamsBase

from tests.wire.translate.hostile import objects
from tidegate.core import endpoints
from tidegate.core.errors import InvalidParameter, NotTranslatable
from tidegate.wire.call import parse
from tidegate.wire.translate import request
from tidegate.wire.translate.document import in_progress_document
from tidegate.wire.translate.request import chat_body, chat_call
from tidegate.wire.translate.unsupported import unsupported_fields

Json = dict[str, Any]

PLAIN: Json = {"model": "m", "input": "hi"}
SENT: Json = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
FORM: Json = {"name": "n", "schema": {"type": "object", "properties": {}}, "strict": True}
STREAMED: Json = {"stream": True, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"temperature": 0.2, "top_p": 0.9}, {"temperature": 0.2, "top_p": 0.9}),
        ({"temperature": None, "tools": None, "text": None}, {}),
        ({"max_output_tokens": 20}, {"max_completion_tokens": 20}),
        ({"user": "u", "safety_identifier": "s"}, {"user": "u", "safety_identifier": "s"}),
        ({"prompt_cache_key": "k", "service_tier": "flex"}, {"prompt_cache_key": "k", "service_tier": "flex"}),
        ({"store": True, "metadata": {"a": "b"}, "background": False}, {}),
        ({"max_tool_calls": 3, "truncation": "auto"}, {}),
        ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, {"verbosity": "low"}),
        ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
        (
            {"text": {"format": {"type": "json_schema", **FORM}}},
            {"response_format": {"type": "json_schema", "json_schema": FORM}},
        ),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, {"reasoning_effort": "low"}),
        ({"include": ["reasoning.encrypted_content"]}, {}),
        ({"include": ["message.output_text.logprobs"]}, {"logprobs": True}),
        ({"top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        ({"stream": True}, STREAMED),
        ({"stream": True, "stream_options": {"include_obfuscation": False}}, STREAMED),
        ({"stop": ["x"], "a_new_parameter": 1}, {"stop": ["x"], "a_new_parameter": 1}),
    ],
)  # fmt: skip
def test_what_is_asked_is_sent(changes: Json, expected: Json) -> None:
    assert chat_body({**PLAIN, **changes}) == {**SENT, **expected}


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        *(({name: "x"}, name) for name in sorted(request.UNTRANSLATABLE_PARAMETERS)),
        ({"text": {"format": {"type": "grammar"}}}, "text.format"),
        ({"text": {"format": 7}}, "text.format"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"include": ["something.new"]}, "include"),
    ],
)
def test_what_chat_cannot_say_is_refused_by_its_name(changes: Json, param: str) -> None:
    with pytest.raises(NotTranslatable) as refused:
        chat_body({**PLAIN, **changes})
    assert (refused.value.param, refused.value.code) == (param, "unsupported_parameter")


@pytest.mark.parametrize("changes", [{"text": 1}, {"reasoning": []}, {"include": "x"}])
def test_what_nobody_could_read_is_the_callers_mistake(changes: Json) -> None:
    with pytest.raises(InvalidParameter):
        chat_body({**PLAIN, **changes})


_NAMES = ("input", "instructions", "text", "reasoning", "include", "top_logprobs", "tools", "tool_choice", "truncation")


@given(objects(*_NAMES))
def test_nothing_that_is_asked_breaks_the_translation(changes: Json) -> None:
    body = {**PLAIN, **changes}
    with contextlib.suppress(NotTranslatable, InvalidParameter):
        msgspec.json.encode(chat_body(body))
        unsupported_fields(body)
    assert in_progress_document(body, response_id="resp_1", created_at=0, model="m")["status"] == "in_progress"


def test_each_parameter_that_the_official_sdk_knows_is_spoken_for() -> None:
    same_name = {
        "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier", "service_tier",
        "temperature", "top_p", "user",
    }  # fmt: skip
    decided = (
        request.REBUILT_PARAMETERS
        | request.GATEWAY_PARAMETERS
        | request.IGNORED_PARAMETERS
        | request.UNTRANSLATABLE_PARAMETERS
    )
    assert set(ResponseCreateParamsBase.__annotations__) - decided - set(request.RENAMED_PARAMETERS) == same_name


def test_the_call_is_a_chat_call_whose_streams_tell_their_usage() -> None:
    call = parse(endpoints.RESPONSES, msgspec.json.encode({**PLAIN, "stream": True, "safety_identifier": "s"}))
    made = chat_call(call)
    assert (made.endpoint, made.stream, made.end_user, made.size) == (endpoints.CHAT, True, "s", call.size)
    assert made.is_translated
    assert msgspec.json.decode(made.upstream_body()) == made.body
    assert made.body["stream_options"] == {"include_usage": True}
