"""The Lua scripts for limits: their arguments and replies. A request makes two round trips, `admit` and `settle`.

`AdmissionController` calls them for requests; `Reservations` calls the others to look after requests in progress.
"""

import math
from collections.abc import Sequence

import msgspec

from tidegate.core.values import NO_QUOTA, AnswerQuota
from tidegate.limits.decision import (
    CacheHit,
    Decision,
    JoinFlight,
    LimitRejection,
    NoStoredAnswer,
    RebuildNeeded,
    RemainingLimits,
    SendUpstream,
    UpstreamFull,
)
from tidegate.limits.scopes import Charge, Reservation
from tidegate.queue.messages import QueueRejected
from tidegate.queue.store import parse_verdict
from tidegate.storage.names import RedisNames, escape
from tidegate.storage.redis import RedisLink, Script

_encode = msgspec.msgpack.Encoder().encode
_decode_remaining_limits = msgspec.json.Decoder(RemainingLimits)


_SLOT_WIRE = {"max_waiting": "longest", "has_alternative": "elsewhere"}


class SlotRequest(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename=_SLOT_WIRE):
    """What a request asks of the queue in front of a lane, as the script `admit` reads it, see `capacity.lua`."""

    lane: str
    """The lane: one credential and model. Empty where the request has not chosen one yet."""
    member: str
    tokens: int
    flow: str
    weight: int
    deadline: float
    rpm: int
    tpm: int
    max_waiting: int
    has_alternative: bool = False
    """The request has another lane to try: a full lane does not reject it."""


class AdmissionRequest(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A request to be admitted."""

    fingerprint: str
    owner: str
    """`process:request`, the owner's name if the flight is claimed."""
    now: float
    """Unix seconds."""
    lookup: bool
    claim: bool
    max_age: int | None
    """The largest age of a stored response, in seconds; None for any age."""
    only_stored: bool = False
    """Only a stored response is accepted."""
    output_parameter: str = ""
    """The parameter by which the request limits its output, for the message of a rejection."""
    hit_entry: bytes
    """The ledger entry, as JSON, that the script writes on a cache hit."""
    reservation: Reservation
    slot: SlotRequest


_NO_SLOT = SlotRequest(lane="", member="", tokens=0, flow="", weight=1, deadline=0.0, rpm=0, tpm=0, max_waiting=0)
_NO_ANSWER = "-"
"""A fingerprint under which no response is ever stored."""


def limits_only(
    reservation: Reservation, ledger_entry: bytes, *, now: float, only_stored: bool = False
) -> AdmissionRequest:
    """Return a request that is only checked against limits: no cache lookup, no flight, no queue."""
    return AdmissionRequest(
        fingerprint=_NO_ANSWER,
        owner="",
        now=now,
        lookup=only_stored,
        claim=False,
        max_age=None,
        only_stored=only_stored,
        hit_entry=ledger_entry,
        reservation=reservation,
        slot=_NO_SLOT,
    )


class Settlement(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The end of a request: its charge, its ledger entry and the response to store."""

    fingerprint: str
    owner: str
    """The owner of the flight; empty where none was claimed."""
    entry: bytes
    """The ledger entry, as JSON."""
    now: float
    """Unix seconds."""
    charge: Charge
    head: bytes = b""
    body: bytes = b""
    account: bytes = b"{}"
    fresh_seconds: float = 0.0
    """Seconds for which the stored response is fresh; 0: do not store it."""
    stale_seconds: float = 0.0
    """Seconds for which it is kept after that, for when no upstream is available."""
    end_user: str = ""
    """The end user whose response it is, so that it can be deleted with the user's data; empty where none is named."""
    project: str = ""
    """The project whose response it is."""
    quota: AnswerQuota = NO_QUOTA
    """The room for stored responses; what does not fit is not stored, after older ones have gone."""
    began: float = 0.0
    """When the request arrived, Unix seconds: a response that was purged since then is not stored."""
    model: str = ""
    """The model as its caller named it."""
    request_id: str = ""
    """The id of the request that stores the response, by which it can be purged."""


class LimitScripts:
    """Run the scripts, each in one atomic step. Every method raises RedisUnavailable."""

    def __init__(self, link: RedisLink, *, prefix: str, lease_seconds: float) -> None:
        """All Redis keys share the hash tag `{prefix}`, so that a Redis cluster keeps them in one slot."""
        self._link = link
        names = RedisNames(prefix)
        self.prefix = names.tag
        self._ledger_key = names.of("ledger")
        self._begin_answer, self._begin_flight = names.start("answer"), names.start("flight")
        self._begin_answers_of = names.start("answers_of")
        self._lease_ms = int(lease_seconds * 1000)
        self._admit = Script("admit")
        self._settle = Script("settle")
        self._renew = Script("renew_reservations")
        self._reap = Script("reap")
        self._restore = Script("restore_reservation")
        self._release = Script("release")
        self._dataset_id = Script("dataset_id")

    async def admit(self, request: AdmissionRequest) -> Decision:  # noqa: PLR0911  # one for each kind of reply of the script
        """Check the limits, then look in the cache, join a flight, or reserve cost and capacity to go upstream."""
        reply = await self._link.run(
            self._admit,
            self._keys(request.fingerprint),
            (
                f"{request.now:.6f}",
                -1 if request.max_age is None else request.max_age,
                2 if request.only_stored else int(request.lookup),
                int(request.claim),
                request.owner,
                self._lease_ms,
                request.hit_entry,
                _encode(request.reservation),
                _encode(request.slot),
            ),
        )
        match reply:
            case [b"hit", remaining, at, head, body, account, until]:
                return CacheHit(
                    remaining_limits=_remaining_limits(remaining),
                    stored_at=_seconds(at, request.now),
                    head=head,
                    body=body,
                    account=account,
                    fresh_until=_seconds(until, request.now) if until else math.inf,
                )
            case [b"join", remaining, owner, dataset_id]:
                return JoinFlight(
                    remaining_limits=_remaining_limits(remaining),
                    owner=owner.decode(errors="replace"),
                    dataset_id=dataset_id.decode(errors="replace"),
                )
            case [b"go", remaining, dataset_id, counted, *verdict]:
                return SendUpstream(
                    remaining_limits=_remaining_limits(remaining),
                    claimed=request.claim,
                    dataset_id=dataset_id.decode(errors="replace"),
                    counters_valid=bool(counted),
                    verdict=parse_verdict(verdict) if verdict else None,
                )
            case [b"absent"]:
                return NoStoredAnswer()
            case [b"busy", eta, full]:
                return UpstreamFull(verdict=QueueRejected(float(eta), full=bool(full)))
            case [b"refuse", kind, scope, *figures]:
                return _rejection(kind, scope, figures)
            case _:
                return RebuildNeeded()

    async def delete_answer(self, fingerprint: str) -> None:
        """Delete a stored answer that cannot be read."""
        await self._link.repair(self._begin_answer + fingerprint)

    async def settle(self, settlement: Settlement) -> None:
        """Charge the request, write its ledger entry, store the response and end the flight."""
        await self._link.run(
            self._settle,
            (*self._keys(settlement.fingerprint), self._begin_answers_of + settlement.end_user),
            (
                settlement.entry,
                settlement.owner,
                int((settlement.fresh_seconds + settlement.stale_seconds) * 1000) if settlement.fresh_seconds else 0,
                f"{settlement.now:.6f}",
                settlement.head,
                settlement.body,
                settlement.account,
                self.prefix,
                _encode(settlement.charge),
                f"{settlement.now + settlement.fresh_seconds:.6f}",
                settlement.fingerprint,
                settlement.end_user,
                escape(settlement.project),
                settlement.quota.project_bytes,
                settlement.quota.total_bytes,
                f"{settlement.began:.6f}",
                settlement.model,
                settlement.request_id,
            ),
        )

    async def renew(self, ids: Sequence[str], *, expires_at: float) -> None:
        """Extend the leases of these requests until `expires_at`, in Unix seconds."""
        await self._link.run(self._renew, (), (self.prefix, f"{expires_at:.3f}", *ids))

    async def reap(self, *, now: float) -> None:
        """Charge requests whose lease has ended, because their process died; every admission does it, too."""
        await self._link.run(self._reap, (), (self.prefix, f"{now:.6f}"))

    async def dataset_id(self) -> str:
        """Return the id of Redis's data set; if it has changed, Redis has lost its data."""
        name: bytes = await self._link.run(self._dataset_id, (), (self.prefix,))
        return name.decode(errors="replace")

    async def restore(self, request: AdmissionRequest, *, spends: bool, now: float) -> None:
        """Store the reservation of a request in progress again, after Redis has lost its data."""
        args = (f"{now:.6f}", request.hit_entry, int(spends), _encode(request.reservation))
        await self._link.run(self._restore, (), args)

    async def release(self, request_id: str, *, now: float) -> None:
        """Release the reservation of a request that was admitted but never sent."""
        await self._link.run(self._release, (), (self.prefix, request_id, f"{now:.6f}"))

    def _keys(self, fingerprint: str) -> tuple[str, str, str]:
        return (
            self._begin_answer + fingerprint,
            self._begin_flight + fingerprint,
            self._ledger_key,
        )


def _seconds(text: bytes, otherwise: float) -> float:
    """Return a moment that Lua took for a number, which may be none here: Lua ignores a zero byte at the end."""
    try:
        return float(text)
    except ValueError:
        return otherwise


def _remaining_limits(reply: bytes) -> RemainingLimits:
    return RemainingLimits() if reply == b"{}" else _decode_remaining_limits.decode(reply)


def _rejection(kind: bytes, scope: bytes, figures: Sequence[bytes]) -> LimitRejection:
    limit, used, requested, wait = (float(figure) for figure in figures)
    return LimitRejection(
        kind=kind.decode(),
        scope=scope.decode(errors="replace"),
        limit=limit,
        used=used,
        requested=requested,
        wait=None if wait < 0 else wait,
    )
