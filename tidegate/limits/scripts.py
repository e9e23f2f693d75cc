"""The two Redis round trips of a request: in by `admit`, out by `settle`."""

from collections.abc import Sequence

import msgspec

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
from tidegate.storage.redis import RedisLink, Script

_encode = msgspec.msgpack.Encoder().encode
_decode_remaining_limits = msgspec.json.Decoder(RemainingLimits)


_SLOT_WIRE = {"max_waiting": "longest", "has_alternative": "elsewhere"}


class SlotRequest(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename=_SLOT_WIRE):
    """What a call asks of the upstream's lane, as the script reads it."""

    lane: str
    """Empty where the call does not know yet by which it goes."""
    member: str
    tokens: int
    flow: str
    weight: int
    deadline: float
    rpm: int
    tpm: int
    max_waiting: int
    has_alternative: bool = False
    """The call can go elsewhere: a lane without room is no reason to refuse it."""


class AdmissionRequest(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a call asks of the gate."""

    fingerprint: str
    owner: str
    """`process:request`, the name under which a flight is claimed."""
    now: float
    """Unix seconds."""
    lookup: bool
    claim: bool
    max_age: int | None
    """Seconds a stored answer may be old."""
    only_stored: bool = False
    """Nothing but a stored answer will do."""
    hit_entry: bytes
    """The ledger entry, JSON, to write on a hit."""
    reservation: Reservation
    slot: SlotRequest


_NO_SLOT = SlotRequest(lane="", member="", tokens=0, flow="", weight=1, deadline=0.0, rpm=0, tpm=0, max_waiting=0)
_NO_ANSWER = "-"
"""The fingerprint of no answer."""


def limits_only(
    reservation: Reservation, ledger_entry: bytes, *, now: float, only_stored: bool = False
) -> AdmissionRequest:
    """To be let in and no more: no answer is looked for, no flight claimed, no lane entered."""
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
    """What a call leaves behind."""

    fingerprint: str
    owner: str
    """Empty where no flight was claimed."""
    entry: bytes
    """The ledger entry, JSON."""
    now: float
    """Unix seconds."""
    charge: Charge
    head: bytes = b""
    body: bytes = b""
    account: bytes = b"{}"
    fresh_seconds: float = 0.0
    """How long the answer is fresh; 0 to keep none."""
    stale_seconds: float = 0.0
    """How much longer it is kept, for when nobody can be asked."""
    end_user: str = ""
    """The end user whose answer it is, so that it can be found when they are to be forgotten; empty for nobody."""


class LimitScripts:
    """Admits and settles calls, each in one atomic step. Raises RedisUnavailable."""

    def __init__(self, link: RedisLink, *, prefix: str, lease_seconds: float) -> None:
        """All keys share the hash tag `{prefix}`, so that a Redis cluster keeps them in one slot."""
        self._link = link
        self.prefix = f"{{{prefix}}}"
        self._lease_ms = int(lease_seconds * 1000)
        self._admit = Script("admit")
        self._settle = Script("settle")
        self._renew = Script("renew_reservations")
        self._reap = Script("reap")
        self._restore = Script("restore_reservation")
        self._release = Script("release")
        self._dataset_id = Script("dataset_id")

    async def admit(self, request: AdmissionRequest) -> Decision:  # noqa: PLR0911  # one for each reply of the script
        """Check the limits, look the answer up, join who is asking it, or go: hold the money, claim the flight."""
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
            case [b"hit", told, at, head, body, account]:
                return CacheHit(
                    remaining_limits=_remaining_limits(told), stored_at=float(at), head=head, body=body, account=account
                )
            case [b"join", told, owner, memory]:
                return JoinFlight(
                    remaining_limits=_remaining_limits(told), owner=owner.decode(), dataset_id=memory.decode()
                )
            case [b"go", told, memory, counted, *verdict]:
                return SendUpstream(
                    remaining_limits=_remaining_limits(told),
                    claimed=request.claim,
                    dataset_id=memory.decode(),
                    counters_valid=bool(counted),
                    verdict=parse_verdict(verdict) if verdict else None,
                )
            case [b"absent"]:
                return NoStoredAnswer()
            case [b"busy", eta, full]:
                return UpstreamFull(verdict=QueueRejected(float(eta), full=bool(full)))
            case [b"refuse", what, scope, *figures]:
                return _rejection(what, scope, figures)
            case _:
                return RebuildNeeded()

    async def settle(self, settlement: Settlement) -> None:
        """Charge, write the entry, keep the answer, end the flight."""
        await self._link.run(
            self._settle,
            (*self._keys(settlement.fingerprint), f"{self.prefix}:answers_of:{settlement.end_user}"),
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
                settlement.fingerprint if settlement.end_user else "",
            ),
        )

    async def renew(self, ids: Sequence[str], *, expires_at: float) -> None:
        """Keep what these requests hold until `lost_at`, Unix seconds."""
        await self._link.run(self._renew, (), (self.prefix, f"{expires_at:.3f}", *ids))

    async def reap(self, *, now: float) -> None:
        """Charge calls whose process was silent for longer than their lease; every admission does it, too."""
        await self._link.run(self._reap, (), (self.prefix, f"{now:.6f}"))

    async def dataset_id(self) -> str:
        """The name of Redis's memory; another than before says that it was lost."""
        name: bytes = await self._link.run(self._dataset_id, (), (self.prefix,))
        return name.decode()

    async def restore(self, request: AdmissionRequest, *, spends: bool, now: float) -> None:
        """A call under way holds again what it held, where Redis lost its memory of it."""
        args = (f"{now:.6f}", request.hit_entry, int(spends), _encode(request.reservation))
        await self._link.run(self._restore, (), args)

    async def release(self, request_id: str, *, now: float) -> None:
        """A call that was admitted never went: what it holds is given back."""
        await self._link.run(self._release, (), (self.prefix, request_id, f"{now:.6f}"))

    def _keys(self, fingerprint: str) -> tuple[str, str, str]:
        return (
            f"{self.prefix}:answer:{fingerprint}",
            f"{self.prefix}:flight:{fingerprint}",
            f"{self.prefix}:ledger",
        )


def _remaining_limits(told: bytes) -> RemainingLimits:
    return RemainingLimits() if told == b"{}" else _decode_remaining_limits.decode(told)


def _rejection(what: bytes, scope: bytes, figures: Sequence[bytes]) -> LimitRejection:
    limit, used, requested, wait = (float(figure) for figure in figures)
    return LimitRejection(
        kind=what.decode(),
        scope=scope.decode(errors="replace"),
        limit=limit,
        used=used,
        requested=requested,
        wait=None if wait < 0 else wait,
    )
