"""Calls that have ended, as observers of calls receive them, and traffic made of them."""

from random import Random

import msgspec

from tidegate.core.call_report import CallClass, CallReport
from tidegate.core.ledger_entry import LedgerEntry


def call(
    kind: CallClass = CallClass.ANSWERED,
    *,
    ms: int = 400,
    first_ms: int | None = None,
    queue_ms: int = 0,
    gateway_ms: int = 3,
    model: str = "gpt-4o-mini",
    outcome: str | None = None,
    words: str | None = None,
    cost_nanos: int = 0,
) -> CallReport:
    """Return the report of a call; with `first_ms` it is a stream."""
    outcome = outcome or ("server_error" if kind is CallClass.FAILED else "ok")
    entry = LedgerEntry(
        id="req_1",
        at=0.0,
        project="shop",
        key_id="key_1",
        end_user=None,
        route="/v1/chat/completions",
        model=model,
        served_model=model,
        provider="openai",
        outcome=outcome,
        cache="miss",
        stream=first_ms is not None,
        cost_nanos=cost_nanos,
        fallback_step="canned" if kind is CallClass.DEGRADED else None,
    )
    return CallReport(
        entry=entry,
        call_class=kind,
        status=200,
        key_last_four="abcd",
        credential="default",
        error_text=words,
        first_content_ms=first_ms,
        total_ms=ms,
        queue_ms=queue_ms,
        upstream_ms=ms - queue_ms - gateway_ms,
        gateway_ms=gateway_ms,
    )


GOOD, SLOW = call(), call(ms=9_000)
FAILED = call(CallClass.FAILED, words="The server had an error while processing your request.")
CANNED = call(CallClass.DEGRADED)


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """A share of bad calls for some minutes."""

    minutes: float
    per_slot: int = 20
    bad: CallReport = FAILED
    share: float = 0.0
    noise: float = 0.0
    """The share varies at random by as much, to both sides."""
    by_chance: bool = False
    """Whether each single call is bad by chance, too, as with little traffic."""

    @property
    def slots(self) -> int:
        """The number of slots of ten seconds."""
        return round(self.minutes * 6)

    def calls(self, slot: int, rng: Random) -> list[CallReport]:
        """Return the calls of one slot."""
        share = self.share + rng.uniform(-self.noise, self.noise)
        if self.by_chance:
            bad = sum(rng.random() < share for _ in range(self.per_slot))
        elif self.noise:
            bad = round(self.per_slot * share)
        else:
            bad = int((slot + 1) * self.per_slot * share + 1e-6) - int(slot * self.per_slot * share + 1e-6)
        return [self.bad] * bad + [GOOD] * (self.per_slot - bad)
