"""What is observed of an answer is decoded, the rest is skipped, and what breaks the protocol has one error."""

from collections.abc import Callable
from typing import Any

import pytest

from tidegate.core.errors import MalformedAnswer
from tidegate.wire.shapes.observed import is_present, read_answer, read_chunk, read_event, read_first_chunk

READERS: list[Callable[[bytes], Any]] = [read_answer, read_chunk, read_event, read_first_chunk]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("data", [b"{", b"[1]", b"7", b'{"x":"\xff"}', b"[" * 100_000])
def test_what_breaks_the_protocol_is_malformed(read: Callable[[bytes], Any], data: bytes) -> None:
    with pytest.raises(MalformedAnswer, match="violates its protocol"):
        read(data)


def test_a_value_of_null_is_absent() -> None:
    chunk = read_chunk(b'{"usage":null,"error":{"message":"no"}}')
    assert (is_present(chunk.usage), is_present(chunk.error), is_present(chunk.detail)) == (False, True, False)


@pytest.mark.parametrize(
    ("data", "usage"),
    [
        (b'{"usage":{"a":1},"x_groq":{"usage":{"b":1}}}', b'{"a":1}'),
        (b'{"x_groq":{"usage":{"b":1}}}', b'{"b":1}'),
        (b'{"choices":[{"index":0,"usage":{"c":1}}]}', b'{"c":1}'),
        (b'{"choices":[]}', b"null"),
    ],
)
def test_usage_is_found_where_providers_state_it(data: bytes, usage: bytes) -> None:
    assert bytes(read_chunk(data).stated_usage()) == usage


@pytest.mark.parametrize(
    ("data", "is_error"),
    [
        (b'{"type":"error","message":"no"}', True),
        (b'{"error":{"message":"no"}}', True),
        (b'{"message":"no"}', True),
        (b'{"type":"response.output_text.delta","delta":"message"}', False),
    ],
)
def test_an_event_is_an_error_with_or_without_its_envelope(data: bytes, is_error: bool) -> None:
    assert read_event(data).is_error() is is_error
