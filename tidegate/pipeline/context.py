"""One call's papers, from what came in by HTTP to what it leaves behind."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from tidegate.cache.policy import CachePolicy
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import InvalidParameter
from tidegate.core.values import Caller, LedgerEntry
from tidegate.limits.scopes import Done, Terms, readmitted
from tidegate.limits.scripts import LaneAsk, Settlement
from tidegate.metering.ledger.entries import encode
from tidegate.routing.fallback_policy import Ask
from tidegate.routing.plan import Plan
from tidegate.wire.call import Call

LONGEST_PATIENCE = 3600.0
"""Seconds; nobody waits longer for a turn, whatever it says."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that was promised: who may have it, and by what name."""

    key_id: str
    """Of the key by which it was asked for."""
    response_id: str
    created_at: float
    """Unix seconds."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What came in by HTTP, now or when it was promised."""

    id: str
    route: Endpoint
    authorization: str
    """The header, empty if there is none."""
    headers: Mapping[str, str]
    """All headers, names in lower case."""
    body: Callable[[], Awaitable[bytes]]
    """Reads the body, within its limits."""
    attempt: Attempt | None = None
    """Set where the answer was promised before it is asked for; its caller was identified then."""

    def __repr__(self) -> str:
        return f"Request({self.id}, {self.route.label})"  # the headers hold the caller's key


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """One call's papers, as it goes through the story."""

    id: str
    call: Call
    caller: Caller
    headers: Mapping[str, str]
    """Those of the caller that go upstream."""
    policy: CachePolicy
    fingerprint: str
    echo: str
    opened: LedgerEntry
    """The call's line in the ledger as it begins."""
    terms: Terms
    """What it asks of its caller's limits and budgets."""
    plan: Plan
    """Where it may be answered."""
    first: Ask | None
    """Where it would be sent now; None where nobody can be asked, or only by one call at a time."""
    shared: bool
    """It may join others who ask the same, and they it: none of its steps down the ladder is forbidden."""
    lane: LaneAsk
    """What it asks of the upstream's capacity."""
    deadline: float
    """Unix seconds until which it may wait for its turn."""
    started: float
    """On the monotonic clock, seconds."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a call was given on its way in, and gives back on its way out."""

    owner: str
    """The name under which it claimed its flight; empty for none."""
    memory: str
    """The name of Redis's memory that holds its money; empty for none."""


def plain_settlement(ticket: Ticket, claim: Claim, entry: LedgerEntry, *, now: float) -> Settlement:
    """What any call leaves behind: its charge and its line in the ledger."""
    terms = ticket.terms
    done = Done(
        id=terms.id,
        n=terms.n,
        d=terms.d,
        m=terms.m,
        c=entry.cost_nanos,
        k=entry.input_tokens + entry.output_tokens,
        held=claim.memory,
    )
    return Settlement(fingerprint=ticket.fingerprint, owner=claim.owner, entry=encode(entry), now=now, done=done)


def again(ticket: Ticket) -> Ticket:
    """The same call under a name of its own: its caller's own line says that it was given another's answer."""
    name = f"{ticket.id}-again"
    opened = msgspec.structs.replace(ticket.opened, id=name)
    lane = msgspec.structs.replace(ticket.lane, member=f"{ticket.lane.member}-again")
    return msgspec.structs.replace(ticket, opened=opened, terms=readmitted(ticket.terms, name=name), lane=lane)


def patience(headers: Mapping[str, str], usual: float) -> float:
    """Seconds that a call may wait for its turn: what it says, else the usual. Raises InvalidParameter."""
    stated = headers.get("x-tidegate-deadline")
    if stated is None:
        return usual
    try:
        seconds = float(stated)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_PATIENCE:
        raise InvalidParameter(f"`x-tidegate-deadline` is a number of seconds, from 0 to {LONGEST_PATIENCE:g}.")
    return seconds
