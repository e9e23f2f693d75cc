"""The deadlines of one call at its upstream, and the errors that say which of them has passed."""

import asyncio

from tidegate.core.errors import (
    ConnectTimeout,
    FirstByteTimeout,
    IdleTimeout,
    TotalTimeout,
    UpstreamError,
    UpstreamTimeout,
)
from tidegate.providers.http.options import ConnectionOptions


class Deadlines:
    """The deadlines of one call, in the event loop's time: first content, silence, and the whole.

    Comments, white space and frames without content show a server that is alive, and not that it answers.
    """

    def __init__(self, options: ConnectionOptions, loop: asyncio.AbstractEventLoop) -> None:
        """The call begins now."""
        self._options = options
        self.loop = loop
        started = loop.time()
        self._total = started + options.total_seconds
        self._first = self._next = started + options.first_byte_seconds
        self.has_content = False

    @property
    def next_deadline(self) -> float:
        """When the next byte, or the first content, must have come."""
        return min(self._next, self._total)

    def note_byte(self) -> None:
        """A byte has come: from here on silence counts, too."""
        idle = self.loop.time() + self._options.idle_seconds
        self._next = idle if self.has_content else min(self._first, idle)

    def note_sent(self) -> None:
        """A part of a body that streams was sent: the time to the first content begins anew."""
        if not self.has_content:
            self._first = self._next = self.loop.time() + self._options.first_byte_seconds

    def begin_content(self) -> None:
        """The content has begun: from here on only silence counts."""
        self.has_content = True
        self.note_byte()

    def are_over(self) -> bool:
        """Whether one of them has passed."""
        return self.loop.time() >= self.next_deadline

    def timeout_error(self) -> UpstreamError:
        """The error that says which of the clocks it was."""
        if self._total <= self._next:
            return _timeout_error(TotalTimeout, self._options)
        is_first = not self.has_content and self._next == self._first
        return _timeout_error(FirstByteTimeout if is_first else IdleTimeout, self._options)

    def connect_error(self) -> UpstreamError:
        """The error of a connection that took too long."""
        return _timeout_error(ConnectTimeout, self._options)


def _timeout_error(kind: type[UpstreamTimeout], options: ConnectionOptions) -> UpstreamError:
    key = kind.setting.removeprefix("upstream.")
    setting = f"{options.section}.{key}"
    variable = "TIDEGATE_" + setting.replace(".", "__").upper()
    what = (kind.__doc__ or "").partition("\n")[0]
    clock = f"{setting} = {getattr(options, key):g} s"
    return kind(f"{what} The clock that ran out: {clock}; raise it there or by {variable}.")
