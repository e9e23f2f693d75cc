"""Write one log line for each change that an operator must know: a target or credential is down, or back.

The replica that found out first writes it (`HealthRegistry`), as does `HealthReport` for an operator's own change. No
such change is an alert by itself: the messages of the three alerts name them as causes.
"""

import logging
from collections.abc import Callable

import structlog

from tidegate.core.events import EventName
from tidegate.routing.health.circuit_breaker import Circuit
from tidegate.routing.health.credential_state import DISABLED, CredentialStatus
from tidegate.routing.health.store import HealthChange

OnChange = Callable[[HealthChange, str], object]
"""Gets each change that this process found out first, and the kind before; empty for none."""

_DISABLED = frozenset(status.value for status in DISABLED)
_REMEDY = {
    CredentialStatus.INVALID: "replace the key; a free probe checks it, and it is used again once it works",
    CredentialStatus.OUT_OF_QUOTA: (
        "add credit; one call every few minutes tries the account, or use `tidegate upstream resume` now"
    ),
    CredentialStatus.SUSPENDED: "use `tidegate upstream resume` to enable it again",
}

_log = structlog.get_logger("upstream")


def log_change(change: HealthChange, before: str) -> EventName | None:
    """Write the line of a change that needs one, and return its event; `before` is the kind before, empty for none."""
    name = change.name.partition(" ")[2]
    if change.breaker is not None:
        return _log_target(name, change, was_down=before not in ("", Circuit.CLOSED.value))
    if change.credential is not None and change.kind != before:
        return _log_credential(name, change, was_disabled=before in _DISABLED)
    return None


def _log_target(name: str, change: HealthChange, *, was_down: bool) -> EventName | None:
    state = change.breaker
    assert state is not None  # noqa: S101  # the caller checked it
    down = state.circuit is not Circuit.CLOSED
    if down and not was_down:
        error = state.error or {}
        _log.error(
            "target is down and gets no calls until it answers again",
            change=EventName.TARGET_DOWN.value,
            target=name,
            error=error.get("name"),
            detail=error.get("message"),
        )
        return EventName.TARGET_DOWN
    if was_down and not down:
        _log.warning("target is back", change=EventName.TARGET_UP.value, target=name)
        return EventName.TARGET_UP
    return None


def _log_credential(name: str, change: HealthChange, *, was_disabled: bool) -> EventName | None:
    state = change.credential
    assert state is not None  # noqa: S101  # the caller checked it
    if state.is_disabled:
        error = state.error or {}
        _log.log(
            logging.WARNING if state.status is CredentialStatus.SUSPENDED else logging.ERROR,
            "credential is disabled",
            change=EventName.CREDENTIAL_OUT.value,
            credential=name,
            standing=state.status.value,
            error=error.get("name"),
            detail=error.get("message"),
            remedy=_REMEDY[state.status],
        )
        return EventName.CREDENTIAL_OUT
    if was_disabled:
        _log.warning("credential is back", change=EventName.CREDENTIAL_BACK.value, credential=name)
        return EventName.CREDENTIAL_BACK
    return None
