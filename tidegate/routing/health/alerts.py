"""What wakes a person: a credential taken out, a target down; and what lets them sleep again. One line a change."""

import logging

import structlog

from tidegate.routing.health.circuit_breaker import Circuit
from tidegate.routing.health.credential_state import DISABLED, CredentialStatus
from tidegate.routing.health.store import HealthChange

_OUT = frozenset(standing.value for standing in DISABLED)
_REMEDY = {
    CredentialStatus.INVALID: "replace the key; it is looked at by a free probe, and used again once it is good",
    CredentialStatus.OUT_OF_QUOTA: (
        "add credit; one call every few minutes tries, or `tidegate upstream resume` it at once"
    ),
    CredentialStatus.SUSPENDED: "`tidegate upstream resume` takes it back",
}

_log = structlog.get_logger("upstream")


def write_alert(change: HealthChange, before: str) -> None:
    """Write the line of a change, where it is one to write; `before` is the kind that was known, empty for none."""
    name = change.name.partition(" ")[2]
    if change.breaker is not None:
        _alert_target(name, change, was_down=before not in ("", Circuit.CLOSED.value))
    elif change.credential is not None and change.kind != before:
        _alert_credential(name, change, was_out=before in _OUT)


def _alert_target(name: str, told: HealthChange, *, was_down: bool) -> None:
    state = told.breaker
    assert state is not None  # noqa: S101  # the caller looked
    down = state.circuit is not Circuit.CLOSED
    if down and not was_down:
        error = state.error or {}
        _log.error(
            "a target is down: it is not asked until it answers again",
            alert="target_down",
            target=name,
            error=error.get("name"),
            detail=error.get("message"),
        )
    elif was_down and not down:
        _log.warning("a target is back", alert="target_up", target=name)


def _alert_credential(name: str, told: HealthChange, *, was_out: bool) -> None:
    state = told.credential
    assert state is not None  # noqa: S101  # the caller looked
    if state.is_disabled:
        error = state.error or {}
        _log.log(
            logging.WARNING if state.status is CredentialStatus.SUSPENDED else logging.ERROR,
            "a credential is taken out",
            alert="credential_out",
            credential=name,
            standing=state.status.value,
            error=error.get("name"),
            detail=error.get("message"),
            remedy=_REMEDY[state.status],
        )
    elif was_out:
        _log.warning("a credential is back", alert="credential_back", credential=name)
