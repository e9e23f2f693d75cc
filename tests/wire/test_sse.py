"""Whatever way the network cuts a stream, the same events come out."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import AnswerTooLarge
from tidegate.wire import sse

STREAM = b'data: {"a":1}\n\nevent: x\ndata: {"b":"\xc3\xa9"}\n\n: ping\n\ndata: [DONE]\n\n'
EVENTS = [b'data: {"a":1}\n\n', b'event: x\ndata: {"b":"\xc3\xa9"}\n\n', b": ping\n\n", sse.DONE]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_any_cut_gives_the_same_events(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    splitter = sse.EventSplitter()
    events = [e for a, b in itertools.pairwise(edges) for e in splitter.feed(STREAM[a:b])]
    assert events == EVENTS
    assert splitter.rest == b""


def test_carriage_returns_are_line_ends_too() -> None:
    splitter = sse.EventSplitter()
    assert splitter.feed(b"data: 1\r\n\r\ndata: 2\r\n") == [b"data: 1\n\n"]
    assert splitter.rest == b"data: 2\n"


def test_a_cut_between_cr_and_lf_does_not_end_an_event_early() -> None:
    splitter = sse.EventSplitter()
    events = splitter.feed(b"event: x\r") + splitter.feed(b"\ndata: 1\r\n\r") + splitter.feed(b"\n")
    assert events == [b"event: x\ndata: 1\n\n"]


def test_an_event_without_end_is_bounded() -> None:
    splitter = sse.EventSplitter(max_event_bytes=10)
    with pytest.raises(AnswerTooLarge):
        splitter.feed(b"data: 0123456789")


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: {}\n\n", b"{}"),
        (b"data:{}\n\n", b"{}"),
        (b"event: a\ndata: 1\ndata: 2\n\n", b"1\n2"),
        (b": ping\n\n", None),
        (b"data: a\nid: 7\n\n", b"a"),
    ],
)
def test_data_is_read_as_the_standard_says(event: bytes, data: bytes | None) -> None:
    assert sse.data_of(event) == data


def test_what_is_encoded_is_read_back() -> None:
    assert sse.data_of(sse.encode(b'{"x":1}', "response.created")) == b'{"x":1}'
