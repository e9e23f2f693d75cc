"""Reads answers out of a connection's bytes, without I/O: framing by llhttp's parser, bounds and oddities by us.

RFC 9112 says how a body ends: by its length, by its last chunk, or with the connection. llhttp knows the first two, and
refuses an answer that states both or two lengths. What is refused here besides: a head without end, interim answers
without end, a switch of protocols, and codings of the transfer other than `chunked`.
"""

from typing import Protocol

import httptools

MAX_HEAD_BYTES = 64 * 1024
"""Of a status line and all headers; what proxies in between add is long at times."""
MAX_INTERIM_ANSWERS = 16
"""Interim answers (1xx) before the answer itself; a server that sends more is cut off."""

_SWITCHING_PROTOCOLS = 101


class NotHttp(Exception):
    """What came is no answer by HTTP's rules; the message says what breaks them, in our own words."""


class AnswerEvents(Protocol):
    """What happens while an answer is read."""

    def on_head(self, status: int, headers: dict[str, str]) -> None:
        """Take the status and the headers, by their names in lower case."""

    def on_data(self, data: bytes) -> None:
        """Take the next bytes of the body."""

    def on_end(self) -> None:
        """Note that the body is complete."""


class AnswerReader:
    """Reads the answers of one connection, one for each call of `expect`."""

    __slots__ = (
        "_events", "_fed", "_has_head", "_has_length", "_head_bytes", "_headers", "_interim", "_keeps_alive", "_parser",
        "has_surplus",
    )  # fmt: skip

    def __init__(self) -> None:
        """Nothing is expected yet."""
        self._parser = httptools.HttpResponseParser(self)
        self._events: AnswerEvents | None = None
        self._headers: dict[str, str] = {}
        self._fed = 0
        self._head_bytes = 0
        self._interim = 0
        self._has_head = False
        self._has_length = False
        self._keeps_alive = False
        self.has_surplus = False
        """Whether bytes came that answer no request: the connection is of no more use."""

    def expect(self, events: AnswerEvents) -> None:
        """Expect an answer, and give it to `events`."""
        self._events = events
        self._headers = {}
        self._fed = self._head_bytes = self._interim = 0
        self._has_head = self._has_length = False

    def feed(self, data: bytes) -> None:
        """Read the next bytes. Raises NotHttp."""
        if not self._has_head:
            self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise NotHttp("it switches to another protocol") from None
        except httptools.HttpParserCallbackError as error:
            raise NotHttp(str(error.__context__) or "its head breaks a bound") from None
        except httptools.HttpParserError:
            if self._events is not None:
                raise NotHttp("it breaks the rules of the protocol") from None
            self.has_surplus = True  # the answer itself was complete
        if not self._has_head and self._fed > 2 * MAX_HEAD_BYTES:
            raise NotHttp("its head is too long")

    def is_over(self) -> bool:
        """Return whether the expected answer is complete."""
        return self._events is None

    def ends_with_connection(self) -> bool:
        """Return whether the answer in progress is complete when the server closes the connection."""
        return self._has_head and not self._has_length

    def keeps_alive(self) -> bool:
        """Return whether the connection may serve another call after this answer."""
        return not self.has_surplus and self._has_length and self._keeps_alive

    def close(self) -> None:
        """Let go of the parser, which refers to this reader in turn; nothing is read afterwards."""
        self._events = None
        del self._parser

    # what the parser calls

    def on_message_begin(self) -> None:
        """Called by the parser where an answer begins."""
        if self._events is None:
            self.has_surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser for each header, and for each trailer."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise NotHttp("its head is too long")
        if self._has_head:
            return
        self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Called by the parser at the end of a head."""
        if self._events is None:
            return
        status, headers = self._parser.get_status_code(), self._headers
        if status < 200:
            self._note_interim(status)
            return
        coding = headers.get("transfer-encoding")
        if coding is not None and coding.strip().lower() != "chunked":
            raise NotHttp("it has a transfer coding that was not asked for")
        self._has_head = True
        self._has_length = coding is not None or "content-length" in headers or status in (204, 304)
        self._events.on_head(status, headers)

    def on_body(self, data: bytes) -> None:
        """Called by the parser for each piece of a body."""
        if self._events is not None:
            self._events.on_data(data)

    def on_message_complete(self) -> None:
        """Called by the parser at the end of an answer, and of an interim one."""
        if self._events is None or not self._has_head:
            return
        self._keeps_alive = bool(self._parser.should_keep_alive())
        events, self._events = self._events, None
        events.on_end()

    def _note_interim(self, status: int) -> None:
        self._headers = {}
        self._head_bytes = 0
        self._interim += 1
        if status == _SWITCHING_PROTOCOLS:
            raise NotHttp("it switches to another protocol")
        if self._interim > MAX_INTERIM_ANSWERS:
            raise NotHttp("it has too many interim answers")
