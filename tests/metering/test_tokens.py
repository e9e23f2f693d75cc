"""The usage object is read in each of its forms, and no value in it raises or becomes negative."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.values import Usage
from tidegate.metering.tokens import MAX_TOKENS, from_wire

CHAT = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 7},
    "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 5, "accepted_prediction_tokens": 1},
}
RESPONSES = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 40},
    "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 30},
    "total_tokens": 150,
}


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        (CHAT, Usage(input=100, cached=40, output=50, reasoning=30, input_audio=7, output_audio=5)),
        (RESPONSES, Usage(input=100, cached=40, output=50, reasoning=30)),
        ({"prompt_tokens": 8, "total_tokens": 8}, Usage(input=8)),
        ({"total_tokens": 8}, Usage(input=8)),
        ({"prompt_tokens": 8, "completion_tokens": 0, "prompt_tokens_details": None}, Usage(input=8)),
        ({"prompt_tokens": 8, "prompt_tokens_details": {"cached_tokens": None}, "new_field": [1]}, Usage(input=8)),
    ],
)
def test_each_form_of_usage_is_read(wire: Any, usage: Usage) -> None:
    assert from_wire(msgspec.json.encode(wire)) == usage
    assert from_wire(msgspec.Raw(msgspec.json.encode(wire))) == usage


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        (b"null", Usage()),
        (b"", Usage()),
        (b"{", Usage()),
        (b"[1]", Usage()),
        (b'"usage"', Usage()),
        (b"\xff", Usage()),
        (b'{"\xff":1}', Usage()),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", Usage()),
        (b'{"prompt_tokens":-5,"completion_tokens":3}', Usage(output=3)),
        (b'{"prompt_tokens":"5","completion_tokens":3}', Usage(output=3)),
        (b'{"prompt_tokens":5.0,"completion_tokens":2.5}', Usage(input=5)),
        (b'{"prompt_tokens":true,"completion_tokens":[3]}', Usage()),
        (b'{"prompt_tokens":1e400,"completion_tokens":3}', Usage()),
        (b'{"prompt_tokens":1e300,"completion_tokens":3}', Usage(input=MAX_TOKENS, output=3)),
        (b'{"prompt_tokens":9007199254740993}', Usage(input=MAX_TOKENS)),
        (b'{"prompt_tokens":' + b"9" * 40 + b"}", Usage(input=MAX_TOKENS)),
        (b'{"prompt_tokens":' + b"9" * 5000 + b"}", Usage()),
        (b'{"prompt_tokens":5,"prompt_tokens_details":[]}', Usage(input=5)),
        (b'{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":9}}', Usage(input=5, cached=5)),
        (b'{"output_tokens":5,"output_tokens_details":{"reasoning_tokens":9}}', Usage(output=5, reasoning=5)),
    ],
)
def test_what_is_no_usage_counts_as_nothing_and_the_rest_is_kept(raw: bytes, usage: Usage) -> None:
    assert from_wire(raw) == usage


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from([*CHAT, *RESPONSES]), inside),
)


@given(raw=st.binary() | JSON.map(msgspec.json.encode))
def test_nothing_raises_and_no_part_exceeds_its_whole(raw: bytes) -> None:
    usage = from_wire(raw)

    assert 0 <= usage.input <= MAX_TOKENS
    assert 0 <= usage.output <= MAX_TOKENS
    assert 0 <= max(usage.cached, usage.input_audio) <= usage.input
    assert 0 <= max(usage.reasoning, usage.output_audio) <= usage.output
