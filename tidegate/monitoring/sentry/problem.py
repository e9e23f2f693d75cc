"""What Sentry is sent: names of the gateway's own, and places in the code. No text that a caller wrote. No I/O."""

import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Literal

import msgspec

from tidegate.core.errors import TidegateError
from tidegate.core.events import Event, EventName

MAX_FRAMES = 50
MAX_CHAIN = 5
_SUSPENDED = "suspended"
"""An operator did it, so there is nothing to mend."""

_TO_MEND = {
    EventName.CREDENTIAL_OUT: (
        "A credential is disabled",
        "Run `tidegate upstream show`: replace the key, or add credit to the account.",
    ),
    EventName.REDIS_LOST: ("Redis is away", "Mend Redis; calls go on without cache and shared limits."),
    EventName.REDIS_SILENT: ("Redis does not answer in time", "Look at the load of Redis and at the network."),
    EventName.POSTGRES_UNAVAILABLE: ("PostgreSQL is away", "Mend PostgreSQL; stored calls fail until then."),
    EventName.SPOOL_FAILED: (
        "The disk takes no ledger entry",
        "Free space in `metering.spool_dir`, and check its owner.",
    ),
    EventName.LEDGER_HELD: ("The ledger is held in memory", "Mend Redis or the disk before this process ends."),
    EventName.LEDGER_LOST: ("A ledger entry is in the log only", "Keep the log, which has the entry."),
}


class CodeFrame(msgspec.Struct, frozen=True):
    """One frame of a traceback, without its variables."""

    module: str
    function: str
    line: int


class ErrorTrace(msgspec.Struct, frozen=True):
    """An exception without its text, which may hold what a caller wrote."""

    type: str
    module: str
    frames: tuple[CodeFrame, ...]
    """The outermost call first."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One event for Sentry."""

    fingerprint: tuple[str, ...]
    """What belongs together: begins with the name that logs and metrics use, too."""
    title: str
    remedy: str = ""
    level: Literal["error", "info"] = "error"
    errors: tuple[ErrorTrace, ...] = ()
    """The error and those that led to it, the oldest first."""

    @property
    def name(self) -> str:
        """The name of the error or event."""
        return self.fingerprint[0]


def problem_of_error(error: BaseException) -> Problem | None:
    """Return the problem that an error is; None for the typed errors, which are expected, and for cancellations."""
    if not isinstance(error, Exception) or (isinstance(error, TidegateError) and error.name != TidegateError.name):
        return None
    errors = tuple(_trace(each) for each in _chain(error))[::-1]
    last = errors[-1]
    place = last.frames[-1] if last.frames else CodeFrame("", "", 0)
    return Problem(
        fingerprint=(TidegateError.name, f"{last.module}.{last.type}", f"{place.module}.{place.function}"),
        title=f"Unexpected {last.type}",
        remedy="The gateway's log has the error's text and the request id.",
        errors=errors,
    )


def problem_of_event(event: Event) -> Problem | None:
    """Return the problem that an event is; None if an operator has nothing to mend."""
    if event.name not in _TO_MEND or event.cause == _SUSPENDED:
        return None
    title, remedy = _TO_MEND[event.name]
    details = tuple(detail for detail in (event.subject, event.cause) if detail)
    return Problem(fingerprint=(event.name.value, *details), title=": ".join((title, *details)), remedy=remedy)


def _chain(error: BaseException) -> Iterator[BaseException]:
    following: BaseException | None = error
    for _ in range(MAX_CHAIN):
        if following is None:
            return
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def _trace(error: BaseException) -> ErrorTrace:
    kind = type(error)
    return ErrorTrace(kind.__qualname__, kind.__module__, tuple(_frames(error.__traceback__)))


def _frames(trace: TracebackType | None) -> list[CodeFrame]:
    frames = [
        CodeFrame(str(frame.f_globals.get("__name__", "")), frame.f_code.co_qualname, line)
        for frame, line in traceback.walk_tb(trace)
    ]
    return frames[-MAX_FRAMES:]
