"""Reads a multipart body that is whole in memory, without copying its files."""

import re
from collections.abc import Iterator
from email.message import Message
from email.utils import collapse_rfc2231_value
from posixpath import basename
from typing import Any

import msgspec

from tidegate.simulator.refusal import Refusal, invalid

_MOST_PARTS = 1000
_MOST_HEADER_BYTES = 8192
_MOST_FIELD_BYTES = 1024 * 1024
_NESTED = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a form."""

    filename: str
    content_type: str
    data: memoryview


class MultipartBody:
    """Text fields and files by their names, as they were sent."""

    def __init__(self, fields: list[tuple[str, str]], files: list[tuple[str, Part]]) -> None:
        self._fields = fields
        self._files = files

    def values(self) -> dict[str, Any]:
        """Return the fields as an object: `a[]` is an array and `a[b]` a field of the object `a`. Raises Refusal."""
        values: dict[str, Any] = {}
        for name, text in self._fields:
            match = _NESTED.fullmatch(name)
            if match is None:
                raise invalid(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
            keys = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
            _put(values, keys, text)
        return values

    def files(self, name: str) -> list[Part]:
        """Return the files of one field, which may be named as an array."""
        return [part for own, part in self._files if own.partition("[")[0] == name]


def parse(raw: bytes, content_type: str) -> MultipartBody:
    """Return the form. Raises Refusal for one that does not end, or is no form."""
    boundary = _header(content_type).get_param("boundary")
    if not isinstance(boundary, str) or not 1 <= len(boundary) <= 70:
        raise _unreadable("it has no boundary")
    fields: list[tuple[str, str]] = []
    files: list[tuple[str, Part]] = []
    for head, data in _parts(raw, b"--" + boundary.encode("latin-1", "replace")):
        about = _header(_line(head, "content-disposition"))
        name, filename = about.get_param("name"), about.get_param("filename")
        if not isinstance(name, str):
            raise _unreadable("a part has no name")
        if filename is not None:
            kind = _line(head, "content-type") or "application/octet-stream"
            own = basename(collapse_rfc2231_value(filename).replace("\\", "/"))
            part = Part(filename=own or "upload", content_type=kind, data=data)
            files.append((name, part))
        elif len(data) > _MOST_FIELD_BYTES:
            raise _unreadable(f"the field '{name}' is too long")
        else:
            fields.append((name, bytes(data).decode("utf-8", "replace")))
    return MultipartBody(fields, files)


def _parts(raw: bytes, mark: bytes) -> Iterator[tuple[str, memoryview]]:
    """Yield the headers and the data of each part."""
    view = memoryview(raw)
    at = raw.find(mark)
    for _ in range(_MOST_PARTS):
        if at < 0:
            raise _unreadable("it has no end mark")
        at += len(mark)
        if raw[at : at + 2] == b"--":
            return
        head_end = raw.find(b"\r\n\r\n", at, at + _MOST_HEADER_BYTES)
        data_end = raw.find(b"\r\n" + mark, max(head_end, at))
        if head_end < 0 or data_end < 0:
            raise _unreadable("it has no end mark")
        # an empty part's data begins where its headers end
        yield raw[at:head_end].decode("utf-8", "replace"), view[min(head_end + 4, data_end) : data_end]
        at = data_end + 2
    raise _unreadable(f"it has more than {_MOST_PARTS} parts")


def _line(head: str, name: str) -> str:
    for line in head.split("\r\n"):
        own, _, value = line.partition(":")
        if own.strip().lower() == name:
            return value.strip()
    return ""


def _header(value: str) -> Message:
    message = Message()
    message["content-type"] = value
    return message


def _put(values: dict[str, Any], keys: list[str], text: str) -> None:
    key, *inner = keys
    if not inner:
        values[key] = text
    elif inner == [""]:
        values.setdefault(key, []).append(text)
    else:
        nested = values.setdefault(key, {})
        if not isinstance(nested, dict):
            raise _unreadable(f"the field '{key}' has two types")
        _put(nested, inner, text)


def _unreadable(reason: str) -> Refusal:
    return invalid(f"Could not parse multipart form: {reason}.")
