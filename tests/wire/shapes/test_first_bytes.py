"""The first bytes of an answer tell its form, whatever its type says; where they do not, the type decides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.wire.shapes.first_bytes import AnswerKind, kind_of, without_end_marker, without_leading_space

STREAM, WHOLE = AnswerKind.STREAM, AnswerKind.WHOLE
TYPES = ("text/event-stream", "TEXT/Event-Stream;charset=UTF-8", "text/plain", "application/json; charset=utf-8", "")


@pytest.mark.parametrize("content_type", [*TYPES, "text/html"])
@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (b'data: {"choices":', STREAM),
        (b"data:{", STREAM),
        (b"event: response.created\n", STREAM),
        (b"id: 1\n", STREAM),
        (b"retry: 3000\n", STREAM),
        (b": keep-alive\n\n", STREAM),
        (b'{"choices":', WHOLE),
        (b"[{", WHOLE),
        (b"<!doctype html>", WHOLE),
        (b"", None),
        (b"d", None),
        (b"data", None),
        (b"ret", None),
    ],
)
def test_the_bytes_decide(first: bytes, kind: AnswerKind | None, content_type: str) -> None:
    assert kind_of(first, content_type) is kind


@pytest.mark.parametrize("first", [b"Internal error", b"database", b"identity", b"\x1f\x8b"])
def test_where_they_are_neither_the_type_decides(first: bytes) -> None:
    assert [kind_of(first, content_type) for content_type in TYPES] == [STREAM, STREAM, WHOLE, WHOLE, WHOLE]


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (b"\xef\xbb\xbfdata: 1", b"data: 1"),
        (b"\r\n\n  {", b"{"),
        (b"\n\xef\xbb\xbf\n{", b"{"),
        (b"\xef\xbb", b"\xef\xbb"),
        (b" \n", b""),
        (b"data: 1 ", b"data: 1 "),
    ],
)
def test_white_space_and_byte_order_mark_mean_nothing(first: bytes, rest: bytes) -> None:
    assert without_leading_space(first) == rest


@pytest.mark.parametrize("marked", [b"data: [DONE]", b"data: [DONE]\n\n", b"\ndata:[DONE]\r\n\r\n"])
def test_the_end_marker_of_a_stream_after_a_body_is_left_out(marked: bytes) -> None:
    assert without_end_marker(b'{"a":1}' + marked).strip() == b'{"a":1}'


@pytest.mark.parametrize("body", [b'{"a":"data: [DONE]"}', b"data: [DONE]", b"[DONE]", b"", b'{"a":1}'])
def test_nothing_else_is_left_out(body: bytes) -> None:
    assert without_end_marker(body) == body


@given(st.binary(max_size=12), st.sampled_from(TYPES))
def test_more_bytes_are_wanted_only_while_they_may_tell(first: bytes, content_type: str) -> None:
    if kind_of(first, content_type) is None:
        assert len(first) < len(b"retry:")
