"""What cannot work ends the start with a reason, and an alert goes to Sentry without its causes."""

import sys
from typing import Any

import pytest

from tests.monitoring.sentry.servers import fake_sentry
from tidegate.alerts.channels import DeliveryFailed
from tidegate.alerts.judgement import FaultSide
from tidegate.alerts.message import AlertMessage, MessageKind
from tidegate.alerts.thresholds import AlertName
from tidegate.assembly.operating.sentry import SentryChannel, check_sentry, problem_of_alert
from tidegate.core.clock import SystemClock
from tidegate.core.config import ConfigError, Settings
from tidegate.monitoring.sentry.client import SentryClient
from tidegate.monitoring.sentry.sender import ProblemSender

CAUSE = "canary: the provider quotes a prompt"


def alert(kind: MessageKind = MessageKind.FIRING) -> AlertMessage:
    return AlertMessage(
        id="msg_1",
        kind=kind,
        alert=AlertName.ERRORS,
        at="2026-11-27T02:05:00Z",
        since="2026-11-27T02:04:10Z",
        what="15% of 120 calls",
        meaning="Too many calls fail.",
        fault=FaultSide.UPSTREAM,
        whose="The cause is on the provider's side.",
        remedy="Wait for the provider.",
        causes=(CAUSE,),
    )


@pytest.mark.parametrize(("kind", "level"), [(MessageKind.FIRING, "error"), (MessageKind.RESOLVED, "info")])
def test_an_alert_goes_without_its_causes(kind: MessageKind, level: str) -> None:
    problem = problem_of_alert(alert(kind))
    assert (problem.fingerprint, problem.level) == (("alert", "errors"), level)
    assert "15% of 120 calls" in problem.title
    assert "Wait for the provider." in problem.remedy
    assert CAUSE not in repr(problem)


async def test_a_message_that_sentry_does_not_take_comes_again() -> None:
    with fake_sentry() as sentry:
        sender = ProblemSender(SentryClient(lambda: sentry.dsn, "production", SystemClock()), SystemClock())
        await sender.start()
        channel = SentryChannel(sender)
        sentry.receiver.status = lambda number: 500 if number == 1 else 200
        with pytest.raises(DeliveryFailed, match="500"):
            await channel.send(alert())
        await channel.send(alert())
        await sender.close()
    assert len(sentry.events) == 1


def test_what_is_not_configured_is_not_checked() -> None:
    check_sentry(Settings())


@pytest.mark.parametrize(
    ("sections", "words"),
    [({"sentry": {"dsn": "no dsn"}}, "sentry.dsn is no DSN"), ({"alerts": {"sentry": True}}, "alerts.sentry needs")],
)
def test_what_cannot_work_is_refused(sections: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_sentry(Settings(**sections))


def test_without_the_sdk_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)
    monkeypatch.delitem(sys.modules, "tidegate.monitoring.sentry.client")
    settings = Settings.model_validate({"sentry": {"dsn": "https://public@sentry.example/1"}})
    with pytest.raises(ConfigError, match=r"Install `tidegate\[sentry\]`"):
        check_sentry(settings)
