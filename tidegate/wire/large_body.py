"""Decodes a large body in steps of some milliseconds, so that other calls go on between them. Used by call.py.

Each function is a generator: its caller decides when the next step begins (`core/process/heavy_turns.py`), and the
generator returns the result. What cannot be divided, such as one text of 30 MB, takes one step.
"""

import codecs
import re
from collections.abc import Generator
from typing import Any

import msgspec

from tidegate.core.errors import BodyNotAnObject
from tidegate.core.process.gc_tuning import paused_collector

_STEP_BYTES = 256 * 1024
"""Bytes of JSON that one step decodes, about a millisecond's work."""
_STEP_ITEMS = 2_000
"""Items of a list that one step decodes, and lists and objects that one step looks into."""

_SURROGATES = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
"""An escaped backslash, a whole surrogate pair, or half of one: only the last is replaced."""
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_value = msgspec.json.Decoder().decode
_skip = msgspec.json.Decoder(msgspec.Raw).decode


def decode_in_steps(
    data: bytes, *, spare_levels: int
) -> Generator[None, None, tuple[dict[str, Any], dict[str, msgspec.Raw]]]:
    """Return the values of a JSON object, and each top-level value as it was written.

    `spare_levels` more could be nested in it. Raises msgspec.DecodeError, UnicodeDecodeError, RecursionError and
    BodyNotAnObject.
    """
    if data.startswith(codecs.BOM_UTF8):  # Windows' clients send it
        data = data.removeprefix(codecs.BOM_UTF8)
    fields = _fields_of(data)
    yield
    body: dict[str, Any] = {}
    size = 0
    for name, written in fields.items():
        view = memoryview(written)
        if view.nbytes > _STEP_BYTES and view[0] == ord("["):
            body[name] = yield from _list_in_steps(written)
        else:
            body[name] = _decoded([written])[0]
            size += view.nbytes
        if size > _STEP_BYTES:
            size = 0
            yield
    levels = spare_levels + (yield from _depth_in_steps(body))
    _skip(b"[" * levels + b"]" * levels)
    return body, fields


def _fields_of(data: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _decode_fields(data)
    except msgspec.ValidationError as error:
        raise BodyNotAnObject from error
    except msgspec.DecodeError:
        return _decode_fields(without_halves(data))  # anything else fails again


def _list_in_steps(written: msgspec.Raw) -> Generator[None, None, list[Any]]:
    items = _decode_items(written)
    yield
    decoded: list[Any] = []
    size = 0
    for number, item in enumerate(items, 1):
        size += memoryview(item).nbytes
        if size > _STEP_BYTES or number % _STEP_ITEMS == 0:
            decoded += _decoded(items[len(decoded) : number])
            size = 0
            yield
    return decoded + _decoded(items[len(decoded) :])


def _decoded(written: list[msgspec.Raw]) -> list[Any]:
    with paused_collector():
        return [_decode_value(value) for value in written]


def without_halves(text: bytes) -> bytes:
    """Return a JSON text with U+FFFD for each half of a surrogate pair, as JavaScript leaves where it cuts an emoji."""
    return _SURROGATES.sub(lambda half: rb"\ufffd" if half[1] else half[0], text)


def _depth_in_steps(value: Any) -> Generator[None, None, int]:
    """Return how many levels are nested in one another."""
    depth, level = 0, [value]
    while level:
        depth += 1
        below: list[Any] = []
        for number, container in enumerate(level, 1):
            values = container.values() if type(container) is dict else container
            below += [inner for inner in values if type(inner) is dict or type(inner) is list]
            if number % _STEP_ITEMS == 0:
                yield
        level = below
    return depth
