"""Stored answers: their original bytes, compressed, and what is needed to give them again."""

import msgspec
import zstandard

from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.endpoints import Endpoint
from tidegate.core.values import AnswerHead
from tidegate.wire.answer_form import split_events, to_body, to_stream

_MIN_COMPRESSED_BYTES = 512
"""Bytes; below, compression costs more than it saves."""
_LEVEL = 1
_MAX_UNPACKED_BYTES = 64 * 1024 * 1024
"""The largest size of an unpacked answer in bytes."""


class StoredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as the upstream sent it: one body, or the concatenated events of a stream."""

    stream: bool
    body: bytes
    served_by: str
    echo: str = ""
    """The caller's own values that the answer repeats, in canonical form."""
    adapted: tuple[str, ...] = ()
    """What parameter rules changed in the call."""
    stored_at: float = 0.0
    """Unix seconds at which it was stored."""
    fresh_until: float = 0.0
    """Unix seconds until which it is, or was, fresh."""

    def buffered(self, *, age: int | None = None) -> BufferedAnswer:
        """Return the answer in the form in which readers and flights take it; with an `age`, as a stale one."""
        head = AnswerHead(
            stream=self.stream,
            served_by=self.served_by,
            echo=self.echo,
            stale=age is not None,
            age=age,
            adaptations=self.adapted,
        )
        return BufferedAnswer(head, split_events(self.body) if self.stream else [self.body])


class _StoredHead(msgspec.Struct, array_like=True):
    stream: bool
    packed: bool
    served_by: str
    echo: str
    adapted: tuple[str, ...] = ()


class AnswerCodec:
    """Pack answers for Redis, and unpack them. Not thread-safe: it keeps its compressor."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True)
        self._decompressor = zstandard.ZstdDecompressor()
        self._read_head = msgspec.msgpack.Decoder(_StoredHead)

    def pack(self, answer: StoredAnswer) -> tuple[bytes, bytes]:
        """Return the answer as (head, body)."""
        packed = len(answer.body) >= _MIN_COMPRESSED_BYTES
        body = self._compressor.compress(answer.body) if packed else answer.body
        return msgspec.msgpack.encode(
            _StoredHead(answer.stream, packed, answer.served_by, answer.echo, answer.adapted)
        ), body

    def unpack(self, head: bytes, body: bytes, stored_at: float, *, fresh_until: float = 0.0) -> StoredAnswer:
        """Return the answer that was packed. The two times are stored beside it."""
        fields = self._read_head.decode(head)
        unpacked = self._decompressor.decompress(body, max_output_size=_MAX_UNPACKED_BYTES) if fields.packed else body
        return StoredAnswer(
            stream=fields.stream,
            body=unpacked,
            served_by=fields.served_by,
            echo=fields.echo,
            adapted=fields.adapted,
            stored_at=stored_at,
            fresh_until=fresh_until,
        )


def in_form(stored: StoredAnswer, route: Endpoint, *, stream: bool) -> StoredAnswer:
    """Return the answer as a stream or as one body, whichever form it has."""
    if stored.stream == stream:
        return stored
    body = b"".join(to_stream(route, stored.body)) if stream else to_body(route, split_events(stored.body))
    return msgspec.structs.replace(stored, stream=stream, body=body)
