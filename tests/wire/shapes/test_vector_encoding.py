"""Vectors have the form that the caller asked for, and what is no vector of floats stays as it is."""

import base64
import struct
from typing import Any

import msgspec
import pytest

from tidegate.wire.shapes.vector_encoding import VectorEncoding

VECTOR = [0.5, -0.25, 0.125, 1.0]
PACKED = base64.b64encode(struct.pack("<4f", *VECTOR)).decode()


def answer(*vectors: Any) -> bytes:
    data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
    return msgspec.json.encode({"object": "list", "model": "m", "data": data, "usage": {"total_tokens": 2}})


@pytest.mark.parametrize(
    ("fields", "given", "received"),
    [
        ({"encoding_format": "base64"}, (VECTOR, PACKED, VECTOR), (PACKED, PACKED, PACKED)),
        ({"encoding_format": "float"}, (PACKED, VECTOR), (VECTOR, VECTOR)),
        ({}, (PACKED,), (VECTOR,)),
        ({"encoding_format": "base64"}, ([1, 2],), (base64.b64encode(struct.pack("<2f", 1, 2)).decode(),)),
        ({"encoding_format": "base64"}, (["a"], [1e300], [None], None), (["a"], [1e300], [None], None)),
        ({"encoding_format": "float"}, ("no base64", "AAAA", None), ("no base64", "AAAA", None)),
        ({"encoding_format": "base64", "output_dtype": "int8"}, ([1, 2],), ([1, 2],)),
    ],
)
def test_the_form_that_was_asked(fields: dict[str, Any], given: tuple[Any, ...], received: tuple[Any, ...]) -> None:
    assert VectorEncoding(fields).translate_body(answer(*given)) == answer(*received)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"data":7}', b'{"data":[7],"embedding":[1]}', b'{"embedding":[', b'{"error":{"message":"No."}}'],
)
def test_what_cannot_be_read_stays(body: bytes) -> None:
    assert VectorEncoding({"encoding_format": "base64"}).translate_body(body) == body


def test_it_has_no_stream() -> None:
    form = VectorEncoding({})
    assert (form.translate_event(b"data: {}\n\n"), form.end(), form.end_reason) == ([b"data: {}\n\n"], [], None)
