"""What one request carries through the pipeline, from the HTTP request to its settlement."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import msgspec

from tidegate.cache.policy import CachePolicy
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import InvalidParameter
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.process.call_memory import MemoryHold
from tidegate.core.values import Caller, Outcome
from tidegate.limits.scopes import CallerScopes, Charge, Reservation, without_request_count
from tidegate.limits.scripts import Settlement, SlotRequest
from tidegate.metering.ledger.entries import encode
from tidegate.pipeline.call_record import CallRecord
from tidegate.routing.fallback_policy import SendTo
from tidegate.routing.plan import Plan
from tidegate.wire.call import Call

DEADLINE_HEADER = "x-tidegate-deadline"
"""How long a call may wait for its slot, in seconds."""
MAX_QUEUE_SECONDS = 3600.0
"""No call waits longer in the queue, whatever its header says."""


class BackgroundAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """A background response that was submitted before, and is now answered by a worker."""

    key_id: str
    """The key with which it was submitted."""
    response_id: str
    created_at: float
    """Unix seconds."""


class InferenceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to an inference endpoint, as it came by HTTP now or when it was submitted."""

    id: str
    endpoint: Endpoint
    authorization: str
    """The header; empty if there is none."""
    headers: Mapping[str, str]
    """All headers, names in lower case."""
    model: str = ""
    """The model that the request's address names, as at Azure; empty if it names none."""
    body: Callable[[Caller], Awaitable[bytes]]
    """Reads the body of this caller, within its limits."""
    record: CallRecord | None = None
    """What becomes of the call, where calls are observed."""
    hold: MemoryHold | None = None
    """The memory of the body, in which a recalled history counts as well; None where it is not counted."""
    background_attempt: BackgroundAttempt | None = None
    """Set if the response was submitted before; its caller was identified then."""

    def __repr__(self) -> str:
        return f"Request({self.id}, {self.endpoint.label})"  # the headers hold the caller's key


class FetchedObserver(Protocol):
    """Learns from the answer that was fetched for one call."""

    def fetched(self, outcome: Outcome) -> None:
        """Note how the call ended, once it is settled. Must not wait."""
        ...


class AnswerKey(msgspec.Struct, frozen=True, kw_only=True):
    """Under which name an answer to a call is stored, and who limits the call."""

    cache_policy: CachePolicy
    headers: dict[str, str]
    """The caller's headers that are forwarded upstream."""
    scopes: CallerScopes
    fingerprint: str | None
    """Empty where the answer may not be shared; None where a limit applies, which may change the call first."""


class RequestContext(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the steps after `prepare` know of one call."""

    id: str
    call: Call
    caller: Caller
    upstream_headers: Mapping[str, str]
    """The caller's headers that are forwarded upstream."""
    cache_policy: CachePolicy
    fingerprint: str
    echo: str
    initial_entry: LedgerEntry
    """The call's ledger entry before anything has happened."""
    reservation: Reservation
    """What the call reserves of its caller's limits and budgets."""
    output_parameter: str = ""
    """The parameter by which the caller limits the output, for the message of a rejected budget."""
    plan: Plan
    """The targets that may answer, in the order to try them."""
    first_step: SendTo | None
    """Where the call would be sent now; None if no target is available, or only for one trial call at a time."""
    joinable: bool
    """Whether identical calls may share an upstream call with this one: its header forbids no fallback step."""
    slot_request: SlotRequest
    """What the call requests of the upstream's queue."""
    queue_deadline: float
    """Unix seconds until which the call may wait for its slot."""
    started_at: float
    """Seconds on the monotonic clock."""
    record: CallRecord | None = None
    """What becomes of the call, where calls are observed."""
    observer: FetchedObserver | None = None
    """Learns from the answer; None where none does."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a call received at admission and gives back at settlement."""

    owner: str
    """The name under which the call claimed its flight; empty if it claimed none."""
    dataset_id: str
    """The Redis dataset that holds the call's reservation; empty if there is none."""


def settlement_without_answer(context: RequestContext, claim: Claim, entry: LedgerEntry, *, now: float) -> Settlement:
    """Return the settlement of any call: its charge and its ledger entry."""
    reservation = context.reservation
    charge = Charge(
        id=reservation.id,
        scope_names=reservation.scope_names,
        day=reservation.day,
        week=reservation.week,
        month=reservation.month,
        cost_nanos=entry.cost_nanos,
        tokens=entry.input_tokens + entry.output_tokens,
        dataset_id=claim.dataset_id,
    )
    return Settlement(fingerprint=context.fingerprint, owner=claim.owner, entry=encode(entry), now=now, charge=charge)


def with_new_id(context: RequestContext) -> RequestContext:
    """Return the same call under a new id, for a call that takes over a flight, or whose stored answer is damaged.

    The caller's own ledger entry keeps the first id, and says that the call joined another one, or was a hit.
    """
    new_id = f"{context.initial_entry.id}-again"
    initial_entry = msgspec.structs.replace(context.initial_entry, id=new_id)
    slot_request = msgspec.structs.replace(context.slot_request, member=f"{context.slot_request.member}-again")
    return msgspec.structs.replace(
        context,
        initial_entry=initial_entry,
        reservation=without_request_count(context.reservation, name=new_id),
        slot_request=slot_request,
    )


def max_queue_seconds(headers: Mapping[str, str], default: float) -> float:
    """Return how long a call may wait for its slot: its header's value, or `default`. Raises InvalidParameter."""
    header = headers.get(DEADLINE_HEADER)
    if header is None:
        return default
    try:
        seconds = float(header)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_QUEUE_SECONDS:
        raise InvalidParameter(f"`{DEADLINE_HEADER}` is a number of seconds, from 0 to {MAX_QUEUE_SECONDS:g}.")
    return seconds
