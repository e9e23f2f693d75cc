"""One line for each change that a person should know, and none for what is no change."""

import pytest
from structlog.testing import capture_logs

from tidegate.core import errors
from tidegate.routing.health import circuit_breaker, credential_state
from tidegate.routing.health.change_log import log_change
from tidegate.routing.health.store import HealthChange

DOWN = circuit_breaker.open_breaker(errors.UpstreamServerError("Broken."), 1.0)
BAD = credential_state.after_error(credential_state.HEALTHY, errors.InvalidUpstreamKey("Bad key."), 1.0)
EMPTY = credential_state.after_error(credential_state.HEALTHY, errors.InsufficientQuota("No credit."), 1.0)


def of_target(state: circuit_breaker.BreakerState) -> HealthChange:
    return HealthChange(name="breaker openai/m", at=1.0, kind=state.circuit.value, breaker=state)


def of_credential(state: credential_state.CredentialState) -> HealthChange:
    return HealthChange(name="credential openai/main", at=1.0, kind=state.status.value, credential=state)


@pytest.mark.parametrize(
    ("told", "before", "lines"),
    [
        (of_target(DOWN), "", [("error", "target_down")]),
        (of_target(DOWN), "closed", [("error", "target_down")]),
        (of_target(DOWN), "half_open", []),
        (of_target(circuit_breaker.after_probe(DOWN)), "open", []),
        (of_target(circuit_breaker.CLOSED), "half_open", [("warning", "target_up")]),
        (of_target(circuit_breaker.CLOSED), "", []),
        (of_credential(BAD), "", [("error", "credential_out")]),
        (of_credential(BAD), "invalid", []),
        (of_credential(EMPTY), "invalid", [("error", "credential_out")]),
        (of_credential(credential_state.suspended(1.0)), "healthy", [("warning", "credential_out")]),
        (of_credential(credential_state.resumed(1.0)), "suspended", [("warning", "credential_back")]),
        (of_credential(credential_state.resumed(1.0)), "", []),
    ],
)
def test_each_change_has_its_line(told: HealthChange, before: str, lines: list[tuple[str, str]]) -> None:
    with capture_logs() as logs:
        log_change(told, before)
    assert [(line["log_level"], line["change"]) for line in logs] == lines


def test_the_line_says_what_happened_and_what_to_do() -> None:
    with capture_logs() as logs:
        log_change(of_credential(EMPTY), "")
    (line,) = logs
    assert (line["credential"], line["standing"], line["error"]) == (
        "openai/main",
        "out_of_quota",
        "insufficient_quota",
    )
    assert line["detail"] == "No credit."
    assert "add credit" in line["remedy"]
