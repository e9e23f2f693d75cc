"""Errors of a Realtime session as events. Called by the bridge."""

import msgspec

from tidegate.core.errors import TidegateError
from tidegate.core.ids import new_id
from tidegate.web import envelope


def error_event(error: TidegateError, caused_by: str | None) -> str:
    """Return an error as an event of the upstream's form; `caused_by` names the client's event that led to it.

    Whether a retry helps, and when, stands beside OpenAI's own fields.
    """
    wait = {} if error.retry_after is None else {"retry_after_ms": round(1000 * error.retry_after)}
    detail = {**envelope.error_object(error), "event_id": caused_by, "retryable": error.retryable, **wait}
    return msgspec.json.encode({"type": "error", "event_id": new_id("event_"), "error": detail}).decode()
