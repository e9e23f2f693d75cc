"""The usage object is read in each form that providers send, and no value in it raises or becomes negative."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.charges.usage_shapes import SHAPES, Shape, row
from tidegate.core.values import Usage
from tidegate.wire import sse
from tidegate.wire.charges.usage import MAX_TOKENS, from_object, from_wire, merged
from tidegate.wire.stream_observer import ChatObserver
from tidegate.wire.translate.document import usage_of

PAGE = Path(__file__).parents[3] / "docs/reference/usage-shapes.md"
CHUNK: dict[str, Any] = {"choices": [{"index": 0, "delta": {"content": "tide"}, "finish_reason": None}]}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.provider)
def test_each_provider_is_charged_for_the_tokens_of_its_bill(shape: Shape) -> None:
    assert from_wire(observed(shape)) == shape.usage


def observed(shape: Shape) -> bytes:
    observer = ChatObserver()
    if not shape.stream:
        observer.observe_body(msgspec.json.encode({**CHUNK, "usage": shape.stated[0]}))
    for chunk in ({}, *shape.stated, {}) if shape.stream else ():
        observer.observe(sse.encode(msgspec.json.encode({**CHUNK, **chunk})))
    assert observer.usage is not None
    return observer.usage


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.provider)
def test_a_translated_answer_states_the_same_tokens(shape: Shape) -> None:
    stated = msgspec.json.decode(observed(shape))

    assert from_object(usage_of(stated)) == from_object(stated) == shape.usage


def test_the_docs_have_this_table() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]

    assert rows[2:] == [row(shape) for shape in SHAPES]


@pytest.mark.parametrize("later", [b"null", b"[]", b"7", b"{", b'"x"'])
def test_what_is_no_object_takes_no_figure_back(later: bytes) -> None:
    assert from_wire(merged(b'{"prompt_tokens":9}', later)) == Usage(input=9)
    assert merged(later, b'{"prompt_tokens":9}') == b'{"prompt_tokens":9}'


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
        (b'{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":9}}', Usage(input=14, cached=9)),
        (b'{"output_tokens":5,"output_tokens_details":{"reasoning_tokens":9}}', Usage(output=14, reasoning=9)),
    ],
)
def test_what_is_no_usage_counts_as_nothing_and_the_rest_is_kept(raw: bytes, usage: Usage) -> None:
    assert from_wire(raw) == usage


def names(value: Any) -> set[str]:
    """Return the names of all fields in an object, and in the objects in it."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set(value if isinstance(value, dict) else ()).union(*map(names, inside))


FIELDS = sorted(set().union(*(names(stated) for shape in SHAPES for stated in shape.stated)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inside),
)


@given(raw=st.binary() | JSON.map(msgspec.json.encode))
def test_nothing_raises_and_no_part_exceeds_its_whole(raw: bytes) -> None:
    usage = from_wire(raw)

    assert 0 <= usage.input <= MAX_TOKENS
    assert 0 <= usage.output <= MAX_TOKENS
    assert 0 <= max(usage.cached, usage.cache_write, usage.input_audio, usage.input_image) <= usage.input
    assert 0 <= max(usage.cached_audio, usage.cached_image) <= usage.cached
    assert 0 <= max(usage.reasoning, usage.output_audio, usage.output_image) <= usage.output


SMALL = st.integers(min_value=0, max_value=9)
NAMES = st.sampled_from([("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens")])
INTO = st.none() | st.fixed_dictionaries(
    {"cached_tokens": SMALL}, optional={"audio_tokens": st.integers(0, 1), "cache_write_tokens": SMALL}
)
OUT = st.none() | st.fixed_dictionaries(
    {"reasoning_tokens": SMALL}, optional={"audio_tokens": st.integers(0, 1), "rejected_prediction_tokens": SMALL}
)


@given(names=NAMES, counts=st.tuples(SMALL, SMALL), total=st.none() | st.integers(0, 18), into=INTO, out=OUT)
def test_the_usual_shape_means_the_same_as_any_other(
    names: tuple[str, str], counts: tuple[int, int], total: int | None, into: dict[str, int], out: dict[str, int]
) -> None:
    """What OpenAI itself states is read by a shorter way, which finds the same tokens."""
    stated: dict[str, Any] = dict(zip(names, counts, strict=True))
    stated |= {"total_tokens": sum(counts) if total is None else total}
    stated |= {f"{names[0]}_details": into, f"{names[1]}_details": out}

    assert from_wire(msgspec.json.encode(stated)) == from_object(stated)
