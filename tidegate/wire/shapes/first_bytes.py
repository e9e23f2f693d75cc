"""Tell by its first bytes whether an answer is a stream of events or one body, whatever its content type says.

Proxies and small servers send events as `text/plain`, as JSON or without a type, and errors in JSON as events. The
official SDKs do not look at the type either.
"""

from enum import Enum

EVENT_STREAM = "text/event-stream"

_BOM = b"\xef\xbb\xbf"
_WHITE = b" \t\r\n"
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
"""What a line of an event begins with (WHATWG HTML, section 9.2.6); the last is a comment."""
_END_MARKER_BYTES = 32
"""Bytes at the end of a body among which `data: [DONE]` is looked for."""


class AnswerKind(Enum):
    """The form in which an answer comes."""

    STREAM = "stream"
    """Events."""
    WHOLE = "whole"
    """One body."""


def without_leading_space(first: bytes) -> bytes:
    """Return the first bytes of an answer without white space and byte order mark, which mean nothing in either form.

    A part of the mark is kept until the rest has come.
    """
    return first.lstrip(_WHITE).removeprefix(_BOM).lstrip(_WHITE)


def kind_of(first: bytes, content_type: str) -> AnswerKind | None:
    """Return the form of an answer that begins so, after `without_leading_space`; None while more bytes are needed."""
    if first[:1] in (b"{", b"[", b"<"):
        return AnswerKind.WHOLE
    if first.startswith(_FIELDS):
        return AnswerKind.STREAM
    if any(begin.startswith(first) for begin in (*_FIELDS, _BOM)):
        return None
    return stated_kind(content_type)


def stated_kind(content_type: str) -> AnswerKind:
    """Return the form that the content type states."""
    return AnswerKind.STREAM if content_type.lower().startswith(EVENT_STREAM) else AnswerKind.WHOLE


def without_end_marker(body: bytes) -> bytes:
    """Return a body without the `data: [DONE]` that some servers write after it, as at the end of a stream."""
    if not body[-_END_MARKER_BYTES:].rstrip(_WHITE).endswith(b"[DONE]"):
        return body
    begin = body.rfind(b"data:", max(0, len(body) - _END_MARKER_BYTES))
    return body if begin <= 0 else body[:begin]
