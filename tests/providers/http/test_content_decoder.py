"""A compressed body is unpacked piece by piece, whole or not at all, and never more at once than is read."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.providers.http.content_decoder import ContentDecoder, UnreadableContent, decoder_for


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": lambda data: gzip.compress(data[:3]) + gzip.compress(data[3:]),
    "deflate": zlib.compress,
    "deflate ": bare_deflate,
}


@pytest.mark.parametrize("coding", PACKERS)
@given(data=st.binary(max_size=2000), step=st.integers(1, 50), limit=st.integers(1, 100))
def test_a_body_is_the_same_however_it_is_cut(coding: str, data: bytes, step: int, limit: int) -> None:
    decoder = decoder_for({"content-encoding": coding.upper()})
    assert decoder is not None
    packed = PACKERS[coding](data)
    parts: list[bytes] = []
    for start in range(0, len(packed), step):
        decoder.feed(packed[start : start + step])
        while part := decoder.decode(limit):
            assert len(part) <= limit
            parts.append(part)
    assert b"".join(parts) == data
    assert decoder.is_complete()


def test_a_body_that_ends_early_is_not_complete() -> None:
    decoder = ContentDecoder("gzip")
    decoder.feed(gzip.compress(bytes(1000))[:-5])
    while decoder.decode(100):
        pass
    assert not decoder.is_complete()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_broken_body_is_a_typed_error(coding: str) -> None:
    decoder = ContentDecoder(coding)
    decoder.feed(b"\x78nonsense")
    with pytest.raises(UnreadableContent):
        decoder.decode(100)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip"])
def test_a_coding_that_was_not_asked_for_is_refused(coding: str) -> None:
    with pytest.raises(UnreadableContent):
        decoder_for({"content-encoding": coding})


@pytest.mark.parametrize("headers", [{}, {"content-encoding": "identity"}, {"content-encoding": ""}])
def test_a_plain_body_needs_no_decoder(headers: dict[str, str]) -> None:
    assert decoder_for(headers) is None
