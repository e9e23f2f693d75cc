"""Answers are read the same however their bytes are cut, and what breaks HTTP's rules is refused in our own words."""

import contextlib
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.providers.http.answer_reader import MAX_HEAD_BYTES, MAX_INTERIM_ANSWERS, AnswerReader, NotHttp

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello"
CHUNKS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nx-trailer: t\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nhello"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"


class Seen:
    """What an answer said."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.ended = False

    def on_head(self, status: int, headers: dict[str, str]) -> None:
        self.status, self.headers = status, headers

    def on_data(self, data: bytes) -> None:
        self.body += data

    def on_end(self) -> None:
        self.ended = True


def read(*parts: bytes) -> tuple[Seen, AnswerReader]:
    seen, reader = Seen(), AnswerReader()
    reader.expect(seen)
    for part in parts:
        reader.feed(part)
    return seen, reader


@pytest.mark.parametrize("answer", [LENGTH, CHUNKS, INTERIM + LENGTH, INTERIM + CHUNKS])
@given(data=st.data())
def test_an_answer_is_the_same_however_its_bytes_are_cut(answer: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(answer)), max_size=8)))
    parts = [answer[start:end] for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True)]
    seen, reader = read(*parts)
    assert (seen.status, seen.body, seen.ended) == (200, b"hello", True)
    assert "link" not in seen.headers
    assert "x-trailer" not in seen.headers
    assert reader.keeps_alive()


@given(garbage=st.binary(max_size=300), cut=st.integers(0, 300))
def test_no_bytes_raise_anything_else(garbage: bytes, cut: int) -> None:
    for answer in (garbage, LENGTH[:cut] + garbage, CHUNKS[:cut] + garbage):
        with contextlib.suppress(NotHttp):
            read(answer[:cut], answer[cut:])


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    seen, reader = read(UNTIL_CLOSE)
    assert (seen.body, seen.ended, reader.ends_with_connection(), reader.keeps_alive()) == (
        b"hello",
        False,
        True,
        False,
    )


@pytest.mark.parametrize("line", [b"204 No Content", b"304 Not Modified", b"200 OK\r\ncontent-length: 0"])
def test_an_answer_without_a_body_ends_with_its_head(line: bytes) -> None:
    seen, reader = read(b"HTTP/1.1 " + line + b"\r\n\r\n")
    assert seen.ended
    assert reader.keeps_alive()


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (LENGTH, True),
        (LENGTH.replace(b"Content-Type: a/b", b"Connection: close"), False),
        (LENGTH.replace(b"1.1", b"1.0"), False),
        (LENGTH.replace(b"1.1", b"1.0").replace(b"Content-Type: a/b", b"Connection: keep-alive"), True),
        (LENGTH + b"HTTP", False),
        (LENGTH + LENGTH, False),
        (LENGTH + b"\0", False),
    ],
)
def test_a_connection_serves_another_call_only_where_both_sides_can_tell_where_the_answer_ended(
    head: bytes, keeps: bool
) -> None:
    seen, reader = read(head)
    assert seen.body == b"hello"
    assert reader.keeps_alive() is keeps


def test_of_equal_headers_the_first_counts_and_names_are_in_lower_case() -> None:
    seen, _ = read(LENGTH.replace(b"Content-Type: a/b", b"X-One: 1\r\nx-one: 2"))
    assert seen.headers == {"x-one": "1", "content-length": "5"}


REFUSED = {
    "no HTTP": b"hello\r\n\r\n",
    "two lengths": LENGTH.replace(b"Content-Type: a/b", b"Content-Length: 6"),
    "a length and chunks": LENGTH.replace(b"Content-Type: a/b", b"Transfer-Encoding: chunked"),
    "a negative length": LENGTH.replace(b": 5", b": -5"),
    "a length with a sign": LENGTH.replace(b": 5", b": +5"),
    "a length in hex": LENGTH.replace(b": 5", b": 0x5"),
    "a chunk without a size": CHUNKS.replace(b"2;x=y", b"z"),
    "a chunk beyond all numbers": CHUNKS.replace(b"2;x=y", b"f" * 40),
    "another transfer coding": LENGTH.replace(b"Content-Length: 5", b"Transfer-Encoding: gzip"),
    "a coding before chunks": CHUNKS.replace(b"Chunked", b"gzip, chunked"),
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "trailers without end": CHUNKS.replace(b"x-trailer: t", b"x: y\r\n" * MAX_HEAD_BYTES),
    "a name with a space": LENGTH.replace(b"Content-Type:", b"Content Type:"),
    "a header too long": LENGTH.replace(b"a/b", b"a" * (MAX_HEAD_BYTES + 1)),
    "headers too many": LENGTH.replace(b"a/b", b"a" + b"\r\nx: y" * MAX_HEAD_BYTES),
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * MAX_HEAD_BYTES,
    "interim answers without end": b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIM_ANSWERS + 1),
}


@pytest.mark.parametrize("answer", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("step", [7, 1000, 10**9])
def test_what_breaks_the_rules_is_refused(answer: bytes, step: int) -> None:
    with pytest.raises(NotHttp):
        read(*[answer[start : start + step] for start in range(0, len(answer), step)])


def test_a_long_head_within_the_bound_is_taken() -> None:
    seen, _ = read(LENGTH.replace(b"a/b", b"a" * 60_000))
    assert seen.ended


def test_one_connection_reads_one_answer_after_another() -> None:
    reader = AnswerReader()
    for body in (LENGTH, CHUNKS, INTERIM + LENGTH):
        seen = Seen()
        reader.expect(seen)
        reader.feed(body)
        assert (seen.body, seen.ended, reader.is_over(), reader.keeps_alive()) == (b"hello", True, True, True)


def test_a_packed_body_is_given_as_it_came() -> None:
    packed = gzip.compress(b"hello")
    seen, _ = read(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed) + packed)
    assert seen.body == packed
