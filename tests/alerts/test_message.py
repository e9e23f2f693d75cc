"""A message says what happened, since when, what it means, on whose side the cause is and what to do."""

import pytest

from tidegate.alerts.judgement import FaultSide, Judgement
from tidegate.alerts.message import state_message, trial_message
from tidegate.alerts.thresholds import AlertName
from tidegate.alerts.transition import AlertState

AT = 1_795_780_800.0
"""2026-11-27 12:00 UTC."""
FAULTS = {
    AlertName.SLOW: (FaultSide.GATEWAY, FaultSide.UPSTREAM, FaultSide.ACCOUNT),
    AlertName.ERRORS: (FaultSide.GATEWAY, FaultSide.UPSTREAM, FaultSide.ACCOUNT),
    AlertName.COST: (FaultSide.BUDGET,),
}


def firing(alert: AlertName, fault: FaultSide) -> AlertState:
    judgement = Judgement(alert=alert, measure="15.0% of 20 calls", fault=fault, causes=("2 of 3 server_error",))
    return AlertState(alert=alert, is_firing=True, since=AT - 60, judgement=judgement)


@pytest.mark.parametrize(("alert", "fault"), [(alert, fault) for alert, faults in FAULTS.items() for fault in faults])
def test_each_alert_says_everything_that_a_person_needs_at_night(alert: AlertName, fault: FaultSide) -> None:
    message = state_message(firing(alert, fault), message_id="alert_1", now=AT, judged_by="fleet")
    first, *lines = message.text.splitlines()
    assert first == f"Tidegate: {alert} alert: 15.0% of 20 calls"
    assert lines[0] == "Since: 2026-11-27T11:59:00Z"
    assert lines[-2:] == ["- 2 of 3 server_error", message.remedy]
    assert message.meaning in lines
    assert message.whose in lines
    assert message.fault is fault


def test_the_end_is_said_too() -> None:
    state = AlertState(alert=AlertName.ERRORS, since=AT, judgement=Judgement(alert=AlertName.ERRORS, measure="0.0%"))
    message = state_message(state, message_id="alert_2", now=AT, judged_by="fleet")
    assert message.title == "Tidegate: errors resolved: 0.0%"
    assert (message.fault, message.causes) == (None, ())


def test_a_process_that_judges_alone_says_so() -> None:
    message = state_message(
        firing(AlertName.ERRORS, FaultSide.GATEWAY), message_id="a", now=AT, judged_by="process p_1"
    )
    assert "Judged by process p_1 alone" in message.text


def test_a_test_says_that_it_is_one() -> None:
    message = trial_message(message_id="a", now=AT)
    assert (message.alert, message.title) == (None, "Tidegate: test message: a test")
