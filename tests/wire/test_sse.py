"""However the network splits a stream, the same events come out."""

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
    assert splitter.incomplete_event == b""


@given(st.lists(st.integers(0, 2 * len(STREAM)), max_size=8), st.sampled_from([b"\r", b"\r\n"]))
def test_however_its_lines_end(cuts: list[int], end: bytes) -> None:
    stream = STREAM.replace(b"\n", end)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    splitter = sse.EventSplitter()
    assert [e for a, b in itertools.pairwise(edges) for e in splitter.feed(stream[a:b])] == EVENTS
    assert splitter.incomplete_event == b""


def test_carriage_returns_are_line_ends_too() -> None:
    splitter = sse.EventSplitter()
    assert splitter.feed(b"data: 1\r\n\r\ndata: 2\r\n") == [b"data: 1\n\n"]
    assert splitter.incomplete_event == b"data: 2\n"


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
        (b": two\ndata: a\n\n", b"a"),
        (b"data: a\nid: 7\n\n", b"a"),
    ],
)
def test_data_is_read_as_the_standard_says(event: bytes, data: bytes | None) -> None:
    assert sse.data_of(event) == data


@pytest.mark.parametrize(
    ("event", "is_it"),
    [
        (sse.DONE, True),
        (b"data:[DONE]\n\n", True),
        (b"data:  [DONE] \n\n", True),
        (b"event: end\ndata: [DONE]\n\n", True),
        (b'data: "[DONE]"\n\n', False),
        (b": [DONE]\n\n", False),
    ],
)
def test_done_is_known_however_it_is_written(event: bytes, is_it: bool) -> None:
    assert sse.is_done(event) is is_it


@pytest.mark.parametrize(
    ("event", "plain"),
    [
        (b"data: {}\n\n", b"data: {}\n\n"),
        (b"event: a\ndata: 1\ndata: 2\n\n", b"event: a\ndata: 1\ndata: 2\n\n"),
        (b"id: 7\nevent: a\nretry: 5\ndata: id: 7\n\n", b"event: a\ndata: id: 7\n\n"),
        (b": hi\ndata: 1\nfoo\n\n", b"data: 1\n\n"),
    ],
)
def test_an_event_is_handed_on_with_its_name_and_its_data_alone(event: bytes, plain: bytes) -> None:
    assert sse.strip_extra_fields(event) == plain


def test_a_long_event_in_small_pieces_is_joined_once() -> None:
    splitter = sse.EventSplitter()
    pieces = [b"data: ", *[b"x" * 100] * 1000, b"\n"]
    assert [splitter.feed(piece) for piece in pieces] == [[]] * len(pieces)
    assert splitter.feed(b"\ndata: 2") == [b"".join(pieces) + b"\n"]
    assert splitter.incomplete_event == b"data: 2"


def test_what_is_encoded_is_read_back() -> None:
    assert sse.data_of(sse.encode(b'{"x":1}', "response.created")) == b'{"x":1}'
