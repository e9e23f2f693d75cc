"""Give embeddings in the form that the caller asked for: numbers, or their bytes in base64.

Some servers ignore `encoding_format`. A client that asked for base64, as OpenAI's SDKs do by themselves, may then take
the numbers for bytes: it reads a vector of a quarter of the length. Nearly all answers have the right form and stay as
they are.
"""

import base64
import re
import struct
from collections.abc import Mapping
from typing import Any

import msgspec

_NUMBERS = re.compile(rb'"embedding"\s*:\s*\[')
_BYTES = re.compile(rb'"embedding"\s*:\s*"')
_FLOAT_BYTES = 4


class VectorEncoding:
    """Translates one answer of the embeddings endpoint; implements `tidegate.providers.base.AnswerTranslator`."""

    end_reason: str | None = None

    def __init__(self, request_body: Mapping[str, Any]) -> None:
        self._wants_bytes = request_body.get("encoding_format") == "base64"
        self._is_float = request_body.get("output_dtype", "float") == "float"

    def translate_event(self, event: bytes) -> list[bytes]:
        """Return the event as it is: embeddings are not streamed."""
        return [event]

    def end(self) -> list[bytes]:
        """Return no events."""
        return []

    def translate_body(self, body: bytes) -> bytes:
        """Return an answer whose vectors have the caller's form; one that cannot be read is returned as it is."""
        if not self._is_float or (_NUMBERS if self._wants_bytes else _BYTES).search(body) is None:
            return body
        try:
            answer = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return body
        vectors = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(vectors, list):
            return body
        return msgspec.json.encode({**answer, "data": [self._encoded(vector) for vector in vectors]})

    def _encoded(self, vector: Any) -> Any:
        if not isinstance(vector, dict):
            return vector
        value = vector.get("embedding")
        other = _packed(value) if self._wants_bytes else _unpacked(value)
        return vector if other is None else {**vector, "embedding": other}


def _packed(value: Any) -> str | None:
    """Return numbers as little-endian floats of four bytes in base64; None for anything else."""
    if not isinstance(value, list):
        return None
    try:
        packed = struct.pack(f"<{len(value)}f", *value)
    except (struct.error, OverflowError):
        return None
    return base64.b64encode(packed).decode()


def _unpacked(value: Any) -> list[float] | None:
    """Return the numbers of such a text; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        packed = base64.b64decode(value, validate=True)
    except ValueError:
        return None
    if len(packed) % _FLOAT_BYTES:
        return None
    return list(struct.unpack(f"<{len(packed) // _FLOAT_BYTES}f", packed))
