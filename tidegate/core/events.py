"""Events of the gateway's own parts, for monitoring: low-cardinality names, and counts."""

from collections.abc import Callable
from enum import StrEnum, unique

import msgspec


@unique
class EventName(StrEnum):
    """The events, by the name under which they are counted."""

    REDIS_LOST = "redis_lost"
    """The connection broke or could not be made."""
    REDIS_SILENT = "redis_silent"
    """Redis did not answer within `redis.timeout_seconds`; calls continue without it."""
    REDIS_BACK = "redis_back"
    """Redis answers again."""
    REDIS_REFUSED = "redis_refused"
    """Redis answered a command with an error: read-only, out of memory, loading."""
    REDIS_REPAIRED = "redis_repaired"
    """A value in Redis could not be read: its key was deleted, or renamed for a person to look at."""
    ANSWERS_DROPPED = "answers_dropped"
    """Stored answers were dropped because the memory of Redis was nearly full; one for each answer."""
    POSTGRES_UNAVAILABLE = "postgres_unavailable"
    """A query got no connection, no answer in time, or an error of the server."""
    LEDGER_SPOOLED = "ledger_spooled"
    """A ledger entry was written to disk, because Redis did not take it."""
    LEDGER_REPLAYED = "ledger_replayed"
    """A ledger entry was moved from disk to PostgreSQL."""
    LEDGER_HELD = "ledger_held"
    """A ledger entry is buffered in memory, because neither Redis nor the disk took it."""
    LEDGER_LOST = "ledger_lost"
    """A ledger entry is in the log only."""
    SPOOL_FAILED = "spool_failed"
    """The disk did not take a ledger entry."""
    TARGET_DOWN = "target_down"
    """A target failed so often that it gets no calls until it answers again."""
    TARGET_UP = "target_up"
    """A target that was down answers again."""
    CREDENTIAL_OUT = "credential_out"
    """A credential is disabled: its key is invalid, its account is empty, or an operator suspended it."""
    CREDENTIAL_BACK = "credential_back"
    """A credential that was disabled is used again."""
    ALERT_MESSAGE_LOST = "alert_message_lost"
    """A message of an alert was given up, because too many waited or no channel accepted it for a week."""
    TELEMETRY_DROPPED = "telemetry_dropped"
    """A call was not sent to the OpenTelemetry collector: the queue was full, or the collector did not take it."""
    BACKGROUND_TAKEN_OVER = "background_taken_over"
    """A background response whose process died was started again by another one."""
    BACKGROUND_BROKEN = "background_broken"
    """A background response failed because it could not be started again: partly read, too late, or too many died."""
    BACKGROUND_GIVEN_BACK = "background_given_back"
    """A background response went back into the queue, because its process ended."""


class Event(msgspec.Struct, frozen=True):
    """Something that happened to one of the gateway's own parts."""

    name: EventName
    count: int = 1
    subject: str = ""
    """The target or credential that it happened to; empty for all other events."""
    cause: str = ""
    """The state that the subject is in now; empty without a subject."""


class CallFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A call ended with a typed error."""

    error: str
    """The error's name."""
    route: str
    """The route's label."""


EventSink = Callable[[Event], None]
"""Called at once with each event; must neither fail nor wait."""


def ignore_event(_: Event) -> None:
    """Drop the event, where no one monitors."""
