"""The message of an alert: what happened, since when, what it means, on whose side the cause is, what to do. No I/O."""

import enum
from datetime import UTC, datetime

import msgspec

from tidegate.alerts.judgement import FaultSide
from tidegate.alerts.thresholds import AlertName
from tidegate.alerts.transition import AlertState


@enum.unique
class MessageKind(enum.StrEnum):
    """Why a message is sent."""

    FIRING = "firing"
    RESOLVED = "resolved"
    TEST = "test"


class AlertMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message, as a webhook receives it in JSON."""

    id: str
    """Identifies the message: a message that comes again has the same id."""
    kind: MessageKind
    alert: AlertName | None
    """None for a test."""
    at: str
    """When the message was made, in UTC."""
    since: str
    """Since when the alert fires, or is resolved."""
    what: str
    meaning: str
    fault: FaultSide | None
    whose: str
    """On whose side the cause is, as a sentence."""
    remedy: str
    causes: tuple[str, ...] = ()
    judged_by: str = "fleet"
    """`fleet`, or `process NAME` where no store answered and one process judged its own calls."""

    @property
    def title(self) -> str:
        """The message in one line."""
        if self.alert is None:
            return f"Tidegate: test message: {self.what}"
        return f"Tidegate: {self.alert} {'alert' if self.kind is MessageKind.FIRING else 'resolved'}: {self.what}"

    @property
    def text(self) -> str:
        """The message for a person, in lines."""
        lines = [self.title, f"Since: {self.since}", self.meaning, self.whose, *(f"- {each}" for each in self.causes)]
        if self.judged_by != "fleet":
            lines.append(f"Judged by {self.judged_by} alone, from its own calls: neither Redis nor PostgreSQL answers.")
        return "\n".join(line for line in [*lines, self.remedy] if line)


_MEANING = {
    AlertName.SLOW: "Callers wait too long: for the first content of a stream, or for a whole answer.",
    AlertName.ERRORS: (
        "Too many calls fail, or get a canned or stale answer. Callers' own mistakes and limits do not count."
    ),
    AlertName.COST: "The deployment spends more than planned. No call is rejected because of this alert.",
}
_RESOLVED = {
    AlertName.SLOW: "The 95th percentile stayed below 80 % of the threshold for a whole window.",
    AlertName.ERRORS: "The error rate stayed below 80 % of the threshold for a whole window.",
    AlertName.COST: "A new day has begun, and its spending is below the threshold.",
}
_WHOSE = {
    FaultSide.GATEWAY: "The cause is on the gateway's side: its processes or its stores.",
    FaultSide.UPSTREAM: "The cause is on the provider's side.",
    FaultSide.ACCOUNT: "The cause is the account at the provider: its keys, credit or rate limits.",
    FaultSide.BUDGET: "The cause is the spending of callers.",
}
_REMEDY = {
    AlertName.SLOW: {
        FaultSide.GATEWAY: "Look at the CPU of the gateway and at `/readyz`; add processes or replicas.",
        FaultSide.UPSTREAM: "Run `tidegate upstream show`; add a target to the route, or wait for the provider.",
        FaultSide.ACCOUNT: "Run `tidegate queue show`; raise the rate limits at the provider, or add a credential.",
    },
    AlertName.ERRORS: {
        FaultSide.GATEWAY: "Look at `/readyz` and at the log lines of level error; mend the store they name.",
        FaultSide.UPSTREAM: "Run `tidegate upstream show`; add a target to the route, or wait for the provider.",
        FaultSide.ACCOUNT: "Run `tidegate upstream show`; replace the key, add credit, or raise the limit.",
    },
    AlertName.COST: {},
}
_COST_REMEDY = "Run `tidegate usage --by key` to see which key spends; set a budget with `tidegate keys update`."


def state_message(state: AlertState, *, message_id: str, now: float, judged_by: str) -> AlertMessage:
    """Return the message that announces a state."""
    judgement = state.judgement
    fault = judgement.fault if judgement else FaultSide.UPSTREAM
    kind = MessageKind.FIRING if state.is_firing else MessageKind.RESOLVED
    firing = state.is_firing
    return AlertMessage(
        id=message_id,
        kind=kind,
        alert=state.alert,
        at=utc(now),
        since=utc(state.since),
        what=judgement.measure if judgement else "",
        meaning=_MEANING[state.alert] if firing else _RESOLVED[state.alert],
        fault=fault if firing else None,
        whose=_WHOSE[fault] if firing else "",
        remedy=_REMEDY[state.alert].get(fault, _COST_REMEDY) if firing else "Nothing has to be done.",
        causes=judgement.causes if judgement and firing else (),
        judged_by=judged_by,
    )


def trial_message(*, message_id: str, now: float) -> AlertMessage:
    """Return a message that tries the way to a channel."""
    return AlertMessage(
        id=message_id,
        kind=MessageKind.TEST,
        alert=None,
        at=utc(now),
        since=utc(now),
        what="a test",
        meaning="This is a test. No alert has fired.",
        fault=None,
        whose="",
        remedy="Nothing has to be done.",
    )


def utc(seconds: float) -> str:
    """Return a time as people and programs read it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
