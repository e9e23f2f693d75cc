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


def whole(asked: ReceivedRequest, status: int, body: bytes, *lines: str, kind: str = "application/json") -> Script:
    """Answer with one whole body."""
    del asked
    return [head(status, kind, *lines, length=len(body)) + body]


def parts(asked: ReceivedRequest, *, usage: bool = True) -> list[bytes]:
    """Return the good answer in the pieces in which it is sent: events, or two halves of the body."""
    route = asked.route or endpoints.CHAT
    if asked.stream:
        return speech.events(route, asked.model, usage=usage)
    body = speech.whole(route, asked.model, usage=usage)
    return [body[: len(body) // 2], body[len(body) // 2 :]]


def good_head(asked: ReceivedRequest, *lines: str, length: int | None = None) -> bytes:
    """Return the head of a good answer."""
    return head(200, EVENTS if asked.stream else "application/json", *lines, length=length)


def good(asked: ReceivedRequest) -> Script:
    """Answer well, one event or half a body at a time."""
    return [good_head(asked), *(chunk(part) for part in parts(asked)), END]


def first_half(asked: ReceivedRequest) -> list[bytes]:
    """Return a head and the answer up to its first word, or half of its body."""
    return [good_head(asked), *(chunk(part) for part in parts(asked)[: 2 if asked.stream else 1])]


def all_but_last(asked: ReceivedRequest) -> list[bytes]:
    """Return a head and everything but the terminal event, or the body's last byte."""
    if asked.stream:
        return [good_head(asked), *(chunk(part) for part in parts(asked)[:-1])]
    body = b"".join(parts(asked))
    return [good_head(asked), chunk(body[:-1])]


def continued(begun: Iterable[Step], *steps: Step | float) -> Script:
    """Return a beginning and its continuation, with a pause before a connection ends."""
    script: Script = list(begun)
    for step in steps:
        if step in (ScriptAction.CLOSE, ScriptAction.RESET):
            script.append(PAUSE)
        script.append(step)
    return script


def one_packet(asked: ReceivedRequest) -> Script:
    """Send the head and all events in one write."""
    return [b"".join(step for step in good(asked) if isinstance(step, bytes))]


def in_shreds(asked: ReceivedRequest) -> Script:
    """Send the answer in pieces of seven bytes, which cut events, characters and chunks."""
    head_, *rest = [step for step in good(asked) if isinstance(step, bytes)]
    body = b"".join(rest)
    return [head_, *(body[start : start + 7] for start in range(0, len(body), 7))]


def carriage_returns(asked: ReceivedRequest) -> Script:
    """End lines with CRLF, as some servers do."""
    pieces = parts(asked) if not asked.stream else [part.replace(b"\n", b"\r\n") for part in parts(asked)]
    return [good_head(asked), *(chunk(piece) for piece in pieces), END]


def comments(asked: ReceivedRequest) -> Script:
    """Send comments and empty lines between the events of a stream."""
    between = chunk(b": keep-alive\n\n") if asked.stream else b""
    return [good_head(asked), *(between + chunk(part) for part in parts(asked)), END]


def interim(asked: ReceivedRequest) -> Script:
    """Send an interim answer (103) before the real one."""
    return [b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", *good(asked)]


def zipped(asked: ReceivedRequest) -> Script:
    """Compress the answer, although the request does not allow it."""
    data = gzip.compress(b"".join(parts(asked)))
    return [good_head(asked, "content-encoding: gzip", length=len(data)) + data]


def until_closed(asked: ReceivedRequest) -> Script:
    """Send neither a length nor chunks: the body ends with the connection."""
    return continued([good_head(asked, "connection: close", length=-1), *parts(asked)], ScriptAction.CLOSE)


def after_the_end(asked: ReceivedRequest) -> Script:
    """Send bytes after the terminal event."""
    more = chunk(b": bye\n\n") if asked.stream else chunk(b"  \n")
    return [good_head(asked), *(chunk(part) for part in parts(asked)), more, END]


def silent_after_the_end(asked: ReceivedRequest) -> Script:
    """Keep the connection open after the terminal event."""
    return [good_head(asked), *(chunk(part) for part in parts(asked)), ScriptAction.SILENCE]


def without_usage(asked: ReceivedRequest) -> Script:
    """Leave out the usage."""
    return [good_head(asked), *(chunk(part) for part in parts(asked, usage=False)), END]


def without_done(asked: ReceivedRequest) -> Script:
    """End the stream without `[DONE]`."""
    return [good_head(asked), *(chunk(part) for part in parts(asked)[:-1]), END]


def with_instead(asked: ReceivedRequest, piece: bytes) -> Script:
    """Send something that is no event after the first word, and then the rest as usual."""
    if not asked.stream:
        body = b"".join(parts(asked))
        return whole(asked, 200, body[:40] + piece + body[40:])
    pieces = parts(asked)
    return [good_head(asked), *(chunk(part) for part in [*pieces[:2], piece, *pieces[2:]]), END]


def endless(asked: ReceivedRequest) -> Script:
    """Repeat the same word, or white space before the body, for ever."""
    again = chunk(parts(asked)[1] if asked.stream else b" ")
    script: Script = [good_head(asked)]
    if asked.stream:
        script.append(chunk(parts(asked)[0]))
    for _ in range(400):
        script += [again, PAUSE]
    return script


def huge(asked: ReceivedRequest) -> Script:
    """Send one event, or body, larger than the gateway accepts."""
    piece = b"x" * 65536
    opening = chunk(b'data: {"x":"') if asked.stream else chunk(b'{"x":"')
    begun = first_half(asked) if asked.stream else [good_head(asked)]
    return continued(begun, opening, *([chunk(piece)] * 20), ScriptAction.SILENCE)


def stated_too_long(asked: ReceivedRequest) -> Script:
    """State a length longer than the body, and close the connection."""
    data = b"".join(parts(asked)[:2] if asked.stream else parts(asked)[:1])
    return continued([good_head(asked, length=len(data) + 1000) + data], ScriptAction.CLOSE)


def stated_too_short(asked: ReceivedRequest) -> Script:
    """State a length that cuts the body; the rest must not be taken for the next answer."""
    data = b"".join(parts(asked))
    keep = sum(len(part) for part in parts(asked)[:2]) + 5 if asked.stream else len(data) // 2
    return continued(
        [good_head(asked, "connection: close", length=keep) + data[:keep], PAUSE, data[keep:]], ScriptAction.CLOSE
    )


def too_much_at_once(asked: ReceivedRequest) -> Script:
    """The same in one packet, where the end of the answer cannot be seen."""
    data = b"".join(parts(asked))
    return continued([good_head(asked, length=len(data) // 2) + data], ScriptAction.CLOSE)
