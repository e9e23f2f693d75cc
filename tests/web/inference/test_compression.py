"""A compressed body is unpacked step by step, and what is not what it says is refused."""

import gzip
import zlib
from collections.abc import Callable
from functools import partial

import pytest

from tidegate.core.errors import BodyTooLarge, InvalidCompression, UnsupportedCompression
from tidegate.web.inference.compression import compression_of, unpack
from tidegate.wire import zstd

BODY = b'{"model":"m"}' * 300_000
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": partial(gzip.compress, mtime=0),
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}


async def anything(_: int) -> None:
    """Take any size."""


@pytest.mark.parametrize("name", PACK)
@pytest.mark.parametrize("body", [b"", b"x", BODY], ids=["empty", "small", "large"])
async def test_what_was_packed_comes_out(name: str, body: bytes) -> None:
    assert await unpack(PACK[name](body), name, anything) == body


@pytest.mark.parametrize("name", ["gzip", "zstd"])
async def test_several_members_are_one_body(name: str) -> None:
    assert await unpack(PACK[name](b"a") + PACK[name](b"b"), name, anything) == b"ab"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        *((name, b"{}") for name in PACK),
        *((name, PACK[name](BODY)[:-10]) for name in ("gzip", "deflate", "zstd")),
        ("gzip", PACK["gzip"](BODY) + b"{}"),
        ("gzip", PACK["gzip"](b"a")[:-4] + b"\x00\x00\x00\x00"),
        ("zstd", zstd.compress(b"a") + b"{}"),
        ("gzip", zlib.compress(b"a")),
        ("deflate", PACK["gzip"](b"a")),
    ],
)
async def test_what_is_not_what_it_says_is_refused(name: str, data: bytes) -> None:
    with pytest.raises(InvalidCompression):
        await unpack(data, name, anything)


@pytest.mark.parametrize("name", PACK)
async def test_unpacking_stops_at_the_bound(name: str) -> None:
    taken: list[int] = []

    async def take(count: int) -> None:
        taken.append(count)
        if sum(taken) > 1024 * 1024:
            raise BodyTooLarge

    with pytest.raises(BodyTooLarge):
        await unpack(PACK[name](b"\x00" * 50 * 1024 * 1024), name, take)
    assert sum(taken) <= 2 * 1024 * 1024


@pytest.mark.parametrize(
    ("value", "name"), [(None, ""), ("", ""), ("Identity", ""), (" GZIP ", "gzip"), ("zstd", "zstd")]
)
def test_the_name_is_read(value: str | None, name: str) -> None:
    assert compression_of({} if value is None else {"content-encoding": value}) == name


@pytest.mark.parametrize("value", ["br", "gzip, gzip", "gzip;q=1", "compress", "x"])
def test_another_compression_is_refused(value: str) -> None:
    with pytest.raises(UnsupportedCompression):
        compression_of({"content-encoding": value})


def with_window(log: int) -> bytes:
    """Return the body in a frame whose decoder needs 2**log bytes."""
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: log})
    return compressor.compress(BODY) + compressor.flush()


async def test_a_frame_that_wants_much_memory_is_refused() -> None:
    assert await unpack(with_window(23), "zstd", anything) == BODY
    with pytest.raises(InvalidCompression):
        await unpack(with_window(24), "zstd", anything)
