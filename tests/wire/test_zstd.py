"""What one release packed, another reads, whichever library it does that with."""

import base64

import pytest

from tidegate.wire import zstd

BEFORE = base64.b64decode("KLUv/WDQBmUAACh0aWRlIAEAyOMvWg==")
"""Made by the library that releases used before this one."""


def test_a_frame_of_an_earlier_release_is_read() -> None:
    assert zstd.ZstdDecompressor().decompress(BEFORE) == b"tide " * 400


def test_a_frame_says_how_long_its_content_is() -> None:
    packed = zstd.ZstdCompressor(level=1).compress(b"tide " * 400, zstd.ZstdCompressor.FLUSH_FRAME)
    assert packed == BEFORE, "an earlier release allocates by that length"


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(zstd.ZstdError):
        zstd.ZstdDecompressor().decompress(b"{}" * 20)
