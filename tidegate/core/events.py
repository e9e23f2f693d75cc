"""What befalls our own parts, told to whoever watches: names of low cardinality, and how many."""

from collections.abc import Callable
from enum import StrEnum, unique

import msgspec


@unique
class EventName(StrEnum):
    """What may happen, by the name under which it is counted."""

    REDIS_LOST = "redis_lost"
    """The connection broke or could not be made."""
    REDIS_SILENT = "redis_silent"
    """No answer within `redis.timeout_seconds`; calls go on without."""
    REDIS_BACK = "redis_back"
    """It answers again."""
    REDIS_REFUSED = "redis_refused"
    """It answered a command with an error: read-only, out of memory, loading."""
    POSTGRES_UNAVAILABLE = "postgres_unavailable"
    """A query found no connection, no answer in time, or a server that does not take it."""
    LEDGER_SPOOLED = "ledger_spooled"
    """A line went to disk, because Redis did not take it."""
    LEDGER_REPLAYED = "ledger_replayed"
    """A line came from disk into PostgreSQL."""
    LEDGER_HELD = "ledger_held"
    """A line is kept in memory, because neither Redis nor the disk took it."""
    LEDGER_LOST = "ledger_lost"
    """A line is in the log only."""
    SPOOL_FAILED = "spool_failed"
    """The disk did not take a line."""
    BACKGROUND_TAKEN_OVER = "background_taken_over"
    """A background response whose process died was asked anew."""
    BACKGROUND_BROKEN = "background_broken"
    """A background response failed because it could not be asked anew: seen in part, too late, or too many died."""
    BACKGROUND_GIVEN_BACK = "background_given_back"
    """A background response went back into the queue, because this process ended."""


class Event(msgspec.Struct, frozen=True):
    """Something happened to one of our own parts."""

    name: EventName
    count: int = 1


class CallFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A call ended with a typed error."""

    error: str
    """The error's name."""
    route: str
    """The route's label."""


EventSink = Callable[[Event], None]
"""Told at once; must not fail and must not wait."""


def ignore_event(_: Event) -> None:
    """Nobody watches."""
