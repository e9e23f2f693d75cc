"""What is known of one call when it has ended, for those that observe calls: the call log, the metrics, the alerts."""

import enum
from typing import Protocol

import msgspec

from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.trace.context import TraceContext


@enum.unique
class CallClass(enum.StrEnum):
    """How a call ended, as an operator counts it."""

    ANSWERED = "answered"
    """The caller has the answer that it asked for."""
    DEGRADED = "degraded"
    """The caller has a canned reply or a stale answer, because no upstream could answer."""
    FAILED = "failed"
    """The upstream or the gateway failed."""
    REFUSED = "refused"
    """The caller's own mistake, or one of its limits or budgets, ended the call."""
    CLIENT_GONE = "client_gone"
    """The client left before the answer was complete: neither a success nor a failure."""


class CallReport(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One call that has ended."""

    entry: LedgerEntry
    """The call's ledger entry. The project and the key's id are empty where the key is not known."""
    call_class: CallClass
    status: int
    """The HTTP status that the client received; 499 if it left before it received any."""
    key_last_four: str
    """The last four characters of the secret that the caller sent; empty where it is not known."""
    credential: str | None
    """The name of the upstream credential that answered, or failed last; None if no call was sent."""
    error_text: str | None
    """The upstream's own words, else the gateway's sentence, scrubbed and bounded; None without an error.

    That of a degraded answer is the failure that led to it.
    """
    first_content_ms: int | None
    """Until the first content could be given to the client; None for an answer that is no stream."""
    total_ms: int
    queue_ms: int
    """The part of the total that the call waited in the queue."""
    upstream_ms: int
    """The part of the total that the call was at the upstream."""
    gateway_ms: int
    """The gateway's share of the total: what is neither the queue's nor the upstream's."""
    is_background: bool = False
    """Whether it is the call of a background response, for which no client waits."""
    trace_id: str | None = None
    """The trace that the client's headers name, 32 hexadecimal digits; None if they name none."""
    trace: TraceContext | None = None
    """The call's place in its trace; None where calls are not traced."""
    in_ledger: bool = True
    """Whether the call has written its entry to the ledger; a call that was refused early has not."""


class CallObserver(Protocol):
    """Observes each call of this process when it has ended."""

    def observe(self, report: CallReport) -> None:
        """Take note of a call. It is called on the event loop: it returns at once and never raises."""
        ...
