"""The script of each fault: the bytes, pauses and breaks with which the upstream answers a request."""

import gzip
from collections.abc import Iterable

from tests.faults import speech
from tests.faults.upstream import ReceivedRequest, Script, ScriptAction, Step
from tidegate.core import endpoints

PAUSE = 0.05
"""Seconds between the last bytes and the end of the connection, so that the other side has read them."""


def head(status: int, kind: str = "application/json", *lines: str, length: int | None = None) -> bytes:
    """Return a status line and headers.

    Without `length` the body is chunked; a negative one makes it end with the connection.
    """
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    kept = [] if length is not None and length < 0 else [framing]
    said = [f"HTTP/1.1 {status} Said", f"content-type: {kind}", "x-request-id: req_up", *kept, *lines, "", ""]
    return "\r\n".join(said).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """Return one chunk of HTTP's chunked encoding."""
    return b"%x\r\n%s\r\n" % (len(data), data)


END = b"0\r\n\r\n"
EVENTS = "text/event-stream; charset=utf-8"


def whole(request: ReceivedRequest, status: int, body: bytes, *lines: str, kind: str = "application/json") -> Script:
    """Answer with one whole body."""
    del request
    return [head(status, kind, *lines, length=len(body)) + body]


def parts(request: ReceivedRequest, *, usage: bool = True) -> list[bytes]:
    """Return the good answer in the pieces in which it is sent: events, or two halves of the body."""
    route = request.route or endpoints.CHAT
    if request.stream:
        return speech.events(route, request.model, usage=usage)
    body = speech.whole(route, request.model, usage=usage)
    return [body[: len(body) // 2], body[len(body) // 2 :]]


def good_head(request: ReceivedRequest, *lines: str, length: int | None = None) -> bytes:
    """Return the head of a good answer."""
    return head(200, EVENTS if request.stream else "application/json", *lines, length=length)


def good(request: ReceivedRequest) -> Script:
    """Answer well, one event or half a body at a time."""
    return [good_head(request), *(chunk(part) for part in parts(request)), END]


def first_half(request: ReceivedRequest) -> list[bytes]:
    """Return a head and the answer up to its first word, or half of its body."""
    return [good_head(request), *(chunk(part) for part in parts(request)[: 2 if request.stream else 1])]


def all_but_last(request: ReceivedRequest) -> list[bytes]:
    """Return a head and everything but the terminal event, or the body's last byte."""
    if request.stream:
        return [good_head(request), *(chunk(part) for part in parts(request)[:-1])]
    body = b"".join(parts(request))
    return [good_head(request), chunk(body[:-1])]


def continued(beginning: Iterable[Step], *steps: Step | float) -> Script:
    """Return a beginning and its continuation, with a pause before a connection ends."""
    script: Script = list(beginning)
    for step in steps:
        if step in (ScriptAction.CLOSE, ScriptAction.RESET):
            script.append(PAUSE)
        script.append(step)
    return script


def one_packet(request: ReceivedRequest) -> Script:
    """Send the head and all events in one write."""
    return [b"".join(step for step in good(request) if isinstance(step, bytes))]


def in_shreds(request: ReceivedRequest) -> Script:
    """Send the answer in pieces of seven bytes, which cut events, characters and chunks."""
    head_, *rest = [step for step in good(request) if isinstance(step, bytes)]
    body = b"".join(rest)
    return [head_, *(body[start : start + 7] for start in range(0, len(body), 7))]


def carriage_returns(request: ReceivedRequest) -> Script:
    """End lines with CRLF, as some servers do."""
    pieces = parts(request) if not request.stream else [part.replace(b"\n", b"\r\n") for part in parts(request)]
    return [good_head(request), *(chunk(piece) for piece in pieces), END]


def comments(request: ReceivedRequest) -> Script:
    """Send comments and empty lines between the events of a stream."""
    between = chunk(b": keep-alive\n\n") if request.stream else b""
    return [good_head(request), *(between + chunk(part) for part in parts(request)), END]


def interim(request: ReceivedRequest) -> Script:
    """Send an interim answer (103) before the real one."""
    return [b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", *good(request)]


def zipped(request: ReceivedRequest) -> Script:
    """Compress the answer, although the request does not allow it."""
    data = gzip.compress(b"".join(parts(request)))
    return [good_head(request, "content-encoding: gzip", length=len(data)) + data]


def until_closed(request: ReceivedRequest) -> Script:
    """Send neither a length nor chunks: the body ends with the connection."""
    return continued([good_head(request, "connection: close", length=-1), *parts(request)], ScriptAction.CLOSE)


def after_the_end(request: ReceivedRequest) -> Script:
    """Send bytes after the terminal event."""
    more = chunk(b": bye\n\n") if request.stream else chunk(b"  \n")
    return [good_head(request), *(chunk(part) for part in parts(request)), more, END]


def silent_after_the_end(request: ReceivedRequest) -> Script:
    """Keep the connection open after the terminal event."""
    return [good_head(request), *(chunk(part) for part in parts(request)), ScriptAction.SILENCE]


def without_usage(request: ReceivedRequest) -> Script:
    """Leave out the usage."""
    return [good_head(request), *(chunk(part) for part in parts(request, usage=False)), END]


def without_done(request: ReceivedRequest) -> Script:
    """End the stream without `[DONE]`."""
    return [good_head(request), *(chunk(part) for part in parts(request)[:-1]), END]


def with_instead(request: ReceivedRequest, piece: bytes) -> Script:
    """Send something that is no event after the first word, and then the rest as usual."""
    if not request.stream:
        body = b"".join(parts(request))
        return whole(request, 200, body[:40] + piece + body[40:])
    pieces = parts(request)
    return [good_head(request), *(chunk(part) for part in [*pieces[:2], piece, *pieces[2:]]), END]


def endless(request: ReceivedRequest) -> Script:
    """Repeat the same word, or white space within the body, for ever."""
    again = chunk(parts(request)[1] if request.stream else b" ")
    script: Script = [good_head(request)]
    script.append(chunk(parts(request)[0] if request.stream else b"{"))
    for _ in range(400):
        script += [again, PAUSE]
    return script


def heartbeats(request: ReceivedRequest) -> Script:
    """Be alive and say nothing: comments and the first event again and again, or white space before a body."""
    again = chunk(b": PROCESSING\n\n" + parts(request)[0]) if request.stream else chunk(b" ")
    script: Script = [good_head(request)]
    for _ in range(400):
        script += [again, PAUSE]
    return script


def huge(request: ReceivedRequest) -> Script:
    """Send one event, or body, larger than the gateway accepts."""
    piece = b"x" * 65536
    opening = chunk(b'data: {"x":"') if request.stream else chunk(b'{"x":"')
    beginning = first_half(request) if request.stream else [good_head(request)]
    return continued(beginning, opening, *([chunk(piece)] * 20), ScriptAction.SILENCE)


def stated_too_long(request: ReceivedRequest) -> Script:
    """State a length longer than the body, and close the connection."""
    data = b"".join(parts(request)[:2] if request.stream else parts(request)[:1])
    return continued([good_head(request, length=len(data) + 1000) + data], ScriptAction.CLOSE)


def stated_too_short(request: ReceivedRequest) -> Script:
    """State a length that cuts the body; the rest must not be taken for the next answer."""
    data = b"".join(parts(request))
    keep = sum(len(part) for part in parts(request)[:2]) + 5 if request.stream else len(data) // 2
    return continued(
        [good_head(request, "connection: close", length=keep) + data[:keep], PAUSE, data[keep:]], ScriptAction.CLOSE
    )


def too_much_at_once(request: ReceivedRequest) -> Script:
    """The same in one packet, where the end of the answer cannot be seen."""
    data = b"".join(parts(request))
    return continued([good_head(request, length=len(data) // 2) + data], ScriptAction.CLOSE)
