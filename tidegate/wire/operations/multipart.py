"""Reads a multipart form as it streams: its small fields are kept, its files only counted (RFC 7578).

It is stricter than the standard. An upstream that reads more loosely must not find a field here that this reader has
taken for a part of a file: so the boundary may stand at the beginning of a line only, and a part's head has one form.
"""

import re
from enum import Enum

import msgspec

from tidegate.core.errors import MalformedMultipart

_MAX_HEAD_BYTES = 8 * 1024
_MAX_FIELD_BYTES = 512 * 1024
"""Of one field that is no file: a prompt has at most 32,000 characters."""
_MAX_FIELDS_BYTES = 2 * 1024 * 1024
_MAX_PARTS = 2_000
_BOUNDARY = re.compile(r'boundary=(?:"([^"\\]{1,70})"|([^\s";,]{1,70}))\s*(?:;|$)', re.IGNORECASE)
_BOUNDARY_CHARACTERS = re.compile(r"[0-9A-Za-z'()+_,./:=? -]*[0-9A-Za-z'()+_,./:=?-]")
_DISPOSITION = re.compile(r'form-data((?:\s*;\s*[a-z]+\*?=(?:"[^"\r\n]*"|[^\s";]+))+)\s*;?\s*', re.IGNORECASE)
_PARAMETER = re.compile(r';\s*([a-z]+\*?)=(?:"([^"\r\n]*)"|([^\s";]+))', re.IGNORECASE)
_FIELD_NAME = re.compile(r"[\x21-\x7e]{1,256}")
_MODEL = "model"
"""A field that must be readable: keys may be limited to some models."""
_PLAIN_ENCODINGS = ("binary", "7bit", "8bit")


class _PartHead(msgspec.Struct, frozen=True):
    """The head of a part."""

    name: str
    is_file: bool


class _State(Enum):
    START = "start"
    HEAD = "head"
    FIELD = "field"
    FILE = "file"
    MARK = "mark"
    """Behind a boundary: the next bytes tell whether another part follows."""
    END = "end"


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that a `content-type` names. Raises MalformedMultipart."""
    found = _BOUNDARY.findall(content_type)
    text = "".join(found[0]) if len(found) == 1 else ""
    if not _BOUNDARY_CHARACTERS.fullmatch(text):
        raise _refusal("its `content-type` names no valid boundary")
    return text.encode("ascii")


class MultipartReader:
    """Reads the parts of one form."""

    def __init__(self, boundary: bytes) -> None:
        """Nothing has come yet."""
        self._mark = b"--" + boundary
        self._state = _State.START
        self._unread = b""
        self._part = _PartHead("", is_file=False)
        self._value = bytearray()
        self._kept_bytes = self._parts = 0
        self.fields: list[tuple[str, str]] = []
        """The names and values of the fields that are complete, in their order."""
        self.has_file = False
        """Whether a file has begun."""

    @property
    def is_complete(self) -> bool:
        """Whether the end mark has come."""
        return self._state is _State.END

    def feed(self, data: bytes) -> None:
        """Read the next bytes. Raises MalformedMultipart."""
        self._unread += data
        while self._step():
            pass

    def check_end(self) -> None:
        """Raise MalformedMultipart where the body has ended before its end mark."""
        if not self.is_complete:
            raise _refusal("its end mark is missing")

    def _step(self) -> bool:
        """Read on by one piece of the format; return whether more can be read of what has come."""
        match self._state:
            case _State.START:
                return self._read_start()
            case _State.HEAD:
                return self._read_head()
            case _State.FIELD | _State.FILE:
                return self._read_content()
            case _State.MARK:
                return self._read_mark()
            case _State.END:
                return self._read_rest()

    def _read_start(self) -> bool:
        if len(self._unread) < len(self._mark):
            return False
        if not self._unread.startswith(self._mark):
            raise _refusal("it does not begin with the boundary that its `content-type` names")
        self._unread = self._unread[len(self._mark) :]
        self._state = _State.MARK
        return True

    def _read_mark(self) -> bool:
        if len(self._unread) < 2:
            return False
        mark, self._unread = self._unread[:2], self._unread[2:]
        if mark == b"--":
            self._state = _State.END
        elif mark == b"\r\n":
            self._state = _State.HEAD
            self._parts += 1
            if self._parts > _MAX_PARTS:
                raise _refusal(f"it has more than {_MAX_PARTS} parts")
        else:
            raise _refusal("its boundary stands within a line")
        return True

    def _read_head(self) -> bool:
        head, end, rest = self._unread.partition(b"\r\n\r\n")
        if len(head) > _MAX_HEAD_BYTES:
            raise _refusal("the head of a part is too long")
        if not end:
            return False
        self._part = _part_of(head)
        self._unread = rest
        self._value.clear()
        self._state = _State.FILE if self._part.is_file else _State.FIELD
        self.has_file = self.has_file or self._part.is_file
        return True

    def _read_content(self) -> bool:
        found = self._unread.find(self._mark)
        if found < 0:
            kept = len(self._mark) + 1  # a line break and the beginning of a boundary may have come
            if len(self._unread) > kept:
                self._take(self._unread[:-kept])
                self._unread = self._unread[-kept:]
            return False
        content = self._unread[:found]
        if not content.endswith(b"\r\n"):
            raise _refusal("its boundary stands within a line")
        self._take(content[:-2])
        if not self._part.is_file:
            self.fields.append((self._part.name, self._value.decode("utf-8", "replace")))
        self._unread = self._unread[found + len(self._mark) :]
        self._state = _State.MARK
        return True

    def _read_rest(self) -> bool:
        if self._unread.strip(b"\r\n"):
            raise _refusal("something follows its end mark")
        self._unread = b""
        return False

    def _take(self, data: bytes) -> None:
        if self._part.is_file:
            return
        self._value += data
        self._kept_bytes += len(data)
        if len(self._value) > _MAX_FIELD_BYTES or self._kept_bytes > _MAX_FIELDS_BYTES:
            raise _refusal(f"its field `{self._part.name}` is too long; send it as a file")


def _part_of(head: bytes) -> _PartHead:
    try:
        lines = head.decode("utf-8").split("\r\n")
    except UnicodeDecodeError as error:
        raise _refusal("the head of a part is no UTF-8") from error
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip() or "\n" in line or "\r" in line or "\0" in line or name.lower() in headers:
            raise _refusal("the head of a part is not valid")
        headers[name.lower()] = value.strip()
    if headers.get("content-transfer-encoding", "binary").lower() not in _PLAIN_ENCODINGS:
        raise _refusal("a part has a `content-transfer-encoding`")
    return _named_part(headers.get("content-disposition", ""))


def _named_part(disposition: str) -> _PartHead:
    found = _DISPOSITION.fullmatch(disposition)
    pairs = [(name.lower(), quoted or plain) for name, quoted, plain in _PARAMETER.findall(found[1])] if found else []
    parameters = dict(pairs)
    name = parameters.get("name", "")
    if len(parameters) != len(pairs) or "name*" in parameters or "\\" in name or not _FIELD_NAME.fullmatch(name):
        raise _refusal("a part has no valid name")
    filename = parameters.get("filename", "")
    if ".." in re.split(r"[/\\]", filename) or filename.startswith(("/", "\\")):
        raise _refusal("the name of a file is a path that leads out of its folder")
    is_file = "filename" in parameters or "filename*" in parameters
    if is_file and name == _MODEL:
        raise _refusal("its `model` is a file")
    return _PartHead(name, is_file=is_file)


def _refusal(reason: str) -> MalformedMultipart:
    return MalformedMultipart(f"The request was not sent on: its multipart form cannot be read, because {reason}.")
