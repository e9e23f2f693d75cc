"""A large request body is sent in parts, without a copy, and arrives as one text."""

import msgspec
import pytest

from tidegate.providers.request_body import in_parts, is_long, joined, pieces_of, size_of

TEXT = msgspec.json.encode("x" * 1_000_000)


@pytest.mark.parametrize("fields", [{}, {"model": b'"m"'}, {"model": b'"m"', 'a "name"\n': b"[1]", "long": TEXT}])
def test_the_parts_make_the_same_json_as_the_encoder(fields: dict[str, bytes]) -> None:
    raw = {name: msgspec.Raw(value) for name, value in fields.items()}
    parts = in_parts(raw)
    assert joined(parts) == msgspec.json.encode(raw)
    assert size_of(parts) == len(msgspec.json.encode(raw))
    assert is_long(parts)


def test_the_parts_are_no_copies() -> None:
    data = b'{"long":' + TEXT + b"}"
    written = msgspec.json.decode(data, type=dict[str, msgspec.Raw])["long"]
    assert in_parts({"long": written})[1].obj is written


@pytest.mark.parametrize("body", [b"x" * 1_000_000, in_parts({"long": msgspec.Raw(TEXT)})])
async def test_it_is_sent_in_pieces(body: bytes) -> None:
    pieces = [bytes(piece) async for piece in pieces_of(body)]
    assert b"".join(pieces) == joined(body)
    assert max(map(len, pieces)) <= 256 * 1024
    assert size_of(body) == sum(map(len, pieces))


def test_a_short_body_is_sent_at_once() -> None:
    assert not is_long(b"{}")
    assert joined(b"{}") == b"{}"
