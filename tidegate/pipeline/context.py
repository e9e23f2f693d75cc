"""One call's papers, from what came in by HTTP to what it leaves behind."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from tidegate.cache.policy import CachePolicy
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import InvalidParameter
from tidegate.core.values import Caller, LedgerEntry
from tidegate.limits.scopes import Charge, Reservation, without_request_count
from tidegate.limits.scripts import Settlement, SlotRequest
from tidegate.metering.ledger.entries import encode
from tidegate.routing.fallback_policy import SendTo
from tidegate.routing.plan import Plan
from tidegate.wire.call import Call

MAX_QUEUE_SECONDS = 3600.0
"""Seconds; nobody waits longer for a turn, whatever it says."""


class BackgroundAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that was promised: who may have it, and by what name."""

    key_id: str
    """Of the key by which it was asked for."""
    response_id: str
    created_at: float
    """Unix seconds."""


class InferenceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What came in by HTTP, now or when it was promised."""

    id: str
    endpoint: Endpoint
    authorization: str
    """The header, empty if there is none."""
    headers: Mapping[str, str]
    """All headers, names in lower case."""
    body: Callable[[], Awaitable[bytes]]
    """Reads the body, within its limits."""
    background_attempt: BackgroundAttempt | None = None
    """Set where the answer was promised before it is asked for; its caller was identified then."""

    def __repr__(self) -> str:
        return f"Request({self.id}, {self.endpoint.label})"  # the headers hold the caller's key


class RequestContext(msgspec.Struct, frozen=True, kw_only=True):
    """One call's papers, as it goes through the story."""

    id: str
    call: Call
    caller: Caller
    upstream_headers: Mapping[str, str]
    """Those of the caller that go upstream."""
    cache_policy: CachePolicy
    fingerprint: str
    echo: str
    initial_entry: LedgerEntry
    """The call's line in the ledger as it begins."""
    reservation: Reservation
    """What it asks of its caller's limits and budgets."""
    plan: Plan
    """Where it may be answered."""
    first_step: SendTo | None
    """Where it would be sent now; None where nobody can be asked, or only by one call at a time."""
    joinable: bool
    """It may join others who ask the same, and they it: none of its steps down the ladder is forbidden."""
    slot_request: SlotRequest
    """What it asks of the upstream's capacity."""
    queue_deadline: float
    """Unix seconds until which it may wait for its turn."""
    started_at: float
    """On the monotonic clock, seconds."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a call was given on its way in, and gives back on its way out."""

    owner: str
    """The name under which it claimed its flight; empty for none."""
    dataset_id: str
    """The name of Redis's memory that holds its money; empty for none."""


def settlement_without_answer(ticket: RequestContext, claim: Claim, entry: LedgerEntry, *, now: float) -> Settlement:
    """What any call leaves behind: its charge and its line in the ledger."""
    terms = ticket.reservation
    done = Charge(
        id=terms.id,
        scope_names=terms.scope_names,
        day=terms.day,
        month=terms.month,
        cost_nanos=entry.cost_nanos,
        tokens=entry.input_tokens + entry.output_tokens,
        dataset_id=claim.dataset_id,
    )
    return Settlement(fingerprint=ticket.fingerprint, owner=claim.owner, entry=encode(entry), now=now, charge=done)


def with_new_id(ticket: RequestContext) -> RequestContext:
    """The same call under a name of its own: its caller's own line says that it was given another's answer."""
    name = f"{ticket.id}-again"
    opened = msgspec.structs.replace(ticket.initial_entry, id=name)
    lane = msgspec.structs.replace(ticket.slot_request, member=f"{ticket.slot_request.member}-again")
    return msgspec.structs.replace(
        ticket,
        initial_entry=opened,
        reservation=without_request_count(ticket.reservation, name=name),
        slot_request=lane,
    )


def max_queue_seconds(headers: Mapping[str, str], usual: float) -> float:
    """Seconds that a call may wait for its turn: what it says, else the usual. Raises InvalidParameter."""
    stated = headers.get("x-tidegate-deadline")
    if stated is None:
        return usual
    try:
        seconds = float(stated)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_QUEUE_SECONDS:
        raise InvalidParameter(f"`x-tidegate-deadline` is a number of seconds, from 0 to {MAX_QUEUE_SECONDS:g}.")
    return seconds
