"""Pictures and films that a reader of their formats opens. Pure."""

import base64
import hashlib
import struct
import zlib

_MOST_EDGE = 4096


def picture(seed: str, width: int, height: int) -> bytes:
    """Return a PNG in two greys whose stripes depend on `seed`."""
    width, height = min(width, _MOST_EDGE), min(height, _MOST_EDGE)
    pattern = hashlib.sha256(seed.encode()).digest()
    row = b"\0" + (pattern * (width // (8 * len(pattern)) + 1))[: (width + 7) // 8]
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(row * height, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, *zip(*chunks, strict=True)))


def picture_text(seed: str, size: str) -> str:
    """Return a PNG in base64; `size` is `WIDTHxHEIGHT`."""
    width, _, height = size.partition("x")
    return base64.b64encode(picture(seed, int(width), int(height))).decode()


def film(seed: str, seconds: int) -> bytes:
    """Return an MP4 file with `seconds` kilobytes of data."""
    data = hashlib.sha256(seed.encode()).digest() * (32 * seconds)
    return _box(b"ftyp", b"mp42" + bytes(4) + b"mp42isom") + _box(b"mdat", data)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + kind + data
