"""The head of a response is the bytes that HTTP wants, and no value can add a line to it."""

import pytest

from tidegate.web.response_head import UnsafeHeader, default_lines, header_lines, status_line


@pytest.mark.parametrize(
    ("status", "line"),
    [(200, b"HTTP/1.1 200 OK\r\n"), (413, b"HTTP/1.1 413 Request Entity Too Large\r\n"), (599, b"HTTP/1.1 599 \r\n")],
)
def test_a_status_has_its_line(status: int, line: bytes) -> None:
    assert status_line(status) == line


def test_headers_are_lines() -> None:
    assert header_lines([(b"a", b"1"), (b"b", b"x\ty \xfc")]) == b"a: 1\r\nb: x\ty \xfc\r\n"
    assert header_lines([]) == b""


@pytest.mark.parametrize(
    "value", [b"x\r\nevil: 1", b"x\n", b"\r", b"a\rb", b"\x00", b"\x1b[0m", b"\x7f", b"\r\n\r\nbody"]
)
@pytest.mark.parametrize("is_name", [True, False])
def test_a_header_that_is_more_than_one_line_is_not_written(value: bytes, is_name: bool) -> None:
    with pytest.raises(UnsafeHeader):
        header_lines([(value, b"1") if is_name else (b"a", value)])


def test_the_servers_headers_say_whether_the_connection_ends() -> None:
    assert default_lines(((b"date", b"now"),)) == (b"date: now\r\n", False)
    assert default_lines(((b"connection", b"close"),)) == (b"connection: close\r\n", True)
