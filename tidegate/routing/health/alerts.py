"""Write one log line for each change that an operator must know: a target or credential is down, or back.

The replica that found out first writes it (`HealthRegistry`), as does `HealthReport` for an operator's own change.
"""

import logging

import structlog

from tidegate.routing.health.circuit_breaker import Circuit
from tidegate.routing.health.credential_state import DISABLED, CredentialStatus
from tidegate.routing.health.store import HealthChange

_DISABLED = frozenset(status.value for status in DISABLED)
_REMEDY = {
    CredentialStatus.INVALID: "replace the key; a free probe checks it, and it is used again once it works",
    CredentialStatus.OUT_OF_QUOTA: (
        "add credit; one call every few minutes tries the account, or use `tidegate upstream resume` now"
    ),
    CredentialStatus.SUSPENDED: "use `tidegate upstream resume` to enable it again",
}

_log = structlog.get_logger("upstream")


def write_alert(change: HealthChange, before: str) -> None:
    """Write the line of a change that needs one; `before` is the kind known before, empty for none."""
    name = change.name.partition(" ")[2]
    if change.breaker is not None:
        _alert_target(name, change, was_down=before not in ("", Circuit.CLOSED.value))
    elif change.credential is not None and change.kind != before:
        _alert_credential(name, change, was_disabled=before in _DISABLED)


def _alert_target(name: str, change: HealthChange, *, was_down: bool) -> None:
    state = change.breaker
    assert state is not None  # noqa: S101  # the caller checked it
    down = state.circuit is not Circuit.CLOSED
    if down and not was_down:
        error = state.error or {}
        _log.error(
            "target is down and gets no calls until it answers again",
            alert="target_down",
            target=name,
            error=error.get("name"),
            detail=error.get("message"),
        )
    elif was_down and not down:
        _log.warning("target is back", alert="target_up", target=name)


def _alert_credential(name: str, change: HealthChange, *, was_disabled: bool) -> None:
    state = change.credential
    assert state is not None  # noqa: S101  # the caller checked it
    if state.is_disabled:
        error = state.error or {}
        _log.log(
            logging.WARNING if state.status is CredentialStatus.SUSPENDED else logging.ERROR,
            "credential is disabled",
            alert="credential_out",
            credential=name,
            standing=state.status.value,
            error=error.get("name"),
            detail=error.get("message"),
            remedy=_REMEDY[state.status],
        )
    elif was_disabled:
        _log.warning("credential is back", alert="credential_back", credential=name)
