"""Sound: how long a file is, and files of a length. Pure."""

import struct

RATE = 24_000
"""Samples a second of the sound that is made; a sample has two bytes."""
_BYTES_PER_SECOND = 16_000
"""Bytes of a second of compressed sound, at 128 kbit/s."""
_BEGINNINGS = {
    "mp3": b"ID3\x04\x00\x00\x00\x00\x00\x00",
    "opus": b"OggS\x00\x02",
    "aac": b"\xff\xf1\x50\x80",
    "flac": b"fLaC\x80\x00\x00\x22",
}
FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")


def seconds_of(content: bytes | memoryview) -> float:
    """Return the length of a file: as a WAV file's header says it, else by its bytes."""
    head = bytes(content[:44])
    if len(head) == 44 and head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        rate = struct.unpack("<I", head[28:32])[0]
        return (len(content) - 44) / rate if rate else 0.0
    return len(content) / _BYTES_PER_SECOND


def sound(kind: str, seconds: float) -> bytes:
    """Return a file of a format with silence of about this length."""
    samples = int(seconds * RATE)
    if kind == "pcm":
        return bytes(2 * samples)
    if kind == "wav":
        size = 2 * samples
        form = struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
        return (
            b"RIFF"
            + struct.pack("<I", 36 + size)
            + b"WAVEfmt "
            + form
            + b"data"
            + struct.pack("<I", size)
            + bytes(size)
        )
    return _BEGINNINGS[kind] + bytes(int(seconds * _BYTES_PER_SECOND))
