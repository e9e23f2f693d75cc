"""The Response document always has all its keys, and exactly the usage of chat."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response
from openai.types.responses.response_usage import ResponseUsage

from tidegate.wire.charges.usage import from_wire
from tidegate.wire.translate.document import in_progress_document, usage_of

REQUIRED = {
    "completed_at", "incomplete_details", "previous_response_id", "instructions", "error", "tools", "tool_choice",
    "truncation", "parallel_tool_calls", "text", "top_p", "presence_penalty", "frequency_penalty", "top_logprobs",
    "temperature", "reasoning", "usage", "max_output_tokens", "max_tool_calls", "store", "background", "service_tier",
    "safety_identifier", "prompt_cache_key",
}  # fmt: skip
"""Keys that strict clients miss if they are not there."""

ASKED: dict[str, Any] = {
    "model": "m", "input": "hi", "instructions": "be brief", "temperature": 0.1, "store": False, "metadata": {"a": "b"},
    "tools": [{"type": "function", "name": "f"}], "reasoning": {"effort": "low"}, "top_logprobs": 1,
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}},
}  # fmt: skip


@pytest.mark.parametrize("request_body", [{"model": "m", "input": "hi"}, ASKED])
def test_it_has_every_key_and_is_what_the_official_sdk_expects(request_body: dict[str, Any]) -> None:
    document = in_progress_document(request_body, response_id="resp_1", created_at=1_790_000_000.5, model="m")
    assert document.keys() >= REQUIRED
    Response.model_validate_json(msgspec.json.encode(document), strict=True)


def test_it_repeats_what_was_asked() -> None:
    document = in_progress_document(ASKED, response_id="resp_1", created_at=0, model="m")
    same = {name: document[name] for name in ("instructions", "temperature", "store", "metadata", "top_logprobs")}
    assert same == {name: ASKED[name] for name in same}
    assert document["tools"][0] == {**ASKED["tools"][0], "description": None, "parameters": None, "strict": None}
    assert document["text"]["format"]["name"] == "n"
    assert document["reasoning"] == {"effort": "low", "summary": None}


_COUNT = st.one_of(st.integers(-5, 10_000), st.sampled_from([None, 7.0, 0.5, "x", True]))
_DETAILS = st.one_of(
    st.none(),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("cached_tokens", "audio_tokens", "reasoning_tokens"), _COUNT)),
)
_USAGE = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": _COUNT,
        "completion_tokens": _COUNT,
        "total_tokens": _COUNT,
        "prompt_tokens_details": _DETAILS,
        "completion_tokens_details": _DETAILS,
    },
)


def test_kinds_of_tokens_that_only_chat_has_are_told_where_there_are_some() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "completion_tokens_details": {"accepted_prediction_tokens": 0}}
    made = usage_of({**usage, "prompt_tokens_details": {"audio_tokens": 2}})
    assert made is not None
    assert made["input_tokens_details"] == {"cached_tokens": 0, "cache_write_tokens": 0, "audio_tokens": 2}
    assert made["output_tokens_details"] == {"reasoning_tokens": 0}


@given(_USAGE)
def test_the_ledger_reads_the_same_of_both(usage: dict[str, Any]) -> None:
    made = usage_of(usage)
    if made is None:
        assert not usage
        return
    assert from_wire(msgspec.json.encode(made)) == from_wire(msgspec.json.encode(usage))
    ResponseUsage.model_validate_json(msgspec.json.encode(made), strict=True)
