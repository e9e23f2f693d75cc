"""Unpacks a body that came compressed although `identity` was asked for; never more at once than is read."""

import zlib
from collections.abc import Mapping

_GZIP = 16 + zlib.MAX_WBITS
_METHOD_DEFLATE = 8
"""The low half of a zlib stream's first byte (RFC 1950); some servers send the bare stream of RFC 1951 instead."""


class UnreadableContent(Exception):
    """A body cannot be unpacked; the message says why."""


class ContentDecoder:
    """Unpacks one body of the content coding `gzip` or `deflate` (RFC 9110, section 8.4.1)."""

    def __init__(self, coding: str) -> None:
        """`coding` is one of `CODINGS`."""
        self._is_gzip = coding != "deflate"
        self._unpacker = zlib.decompressobj(_GZIP) if self._is_gzip else None
        self._packed = b""

    def feed(self, data: bytes) -> None:
        """Take more of the packed body."""
        self._packed += data

    def decode(self, limit: int) -> bytes:
        """Return at most `limit` bytes, which may be none as yet. Raises UnreadableContent."""
        unpacker = self._unpacker
        if unpacker is None:
            if not self._packed:
                return b""
            is_wrapped = self._packed[0] & 0x0F == _METHOD_DEFLATE
            unpacker = self._unpacker = zlib.decompressobj(zlib.MAX_WBITS if is_wrapped else -zlib.MAX_WBITS)
        data = self._unpack(unpacker, limit)
        while not data and self._packed and self._is_gzip:  # members may follow each other (RFC 1952, section 2.2)
            unpacker = self._unpacker = zlib.decompressobj(_GZIP)
            data = self._unpack(unpacker, limit)
        return data

    def is_complete(self) -> bool:
        """Return whether all that came is unpacked, and is whole."""
        return not self._packed and (self._unpacker is None or self._unpacker.eof)

    def _unpack(self, unpacker: "zlib._Decompress", limit: int) -> bytes:
        if unpacker.eof:
            return b""
        try:
            data = unpacker.decompress(self._packed, limit)
        except zlib.error as error:
            raise UnreadableContent("its compressed body is broken") from error
        self._packed = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        return data


CODINGS = frozenset({"gzip", "x-gzip", "deflate"})


def decoder_for(headers: Mapping[str, str]) -> ContentDecoder | None:
    """Return what unpacks the body of an answer with these headers; None for a plain one. Raises UnreadableContent."""
    coding = headers.get("content-encoding")
    if coding is None:
        return None
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return None
    if coding not in CODINGS:
        raise UnreadableContent("its body is compressed in a way that was not asked for")
    return ContentDecoder(coding)
