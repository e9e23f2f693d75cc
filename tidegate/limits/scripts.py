"""The two Redis round trips of a request: in by `admit`, out by `settle`."""

from collections.abc import Sequence

import msgspec

from tidegate.limits.decision import Absent, Allowance, Busy, Decision, Go, Hit, Join, Rebuild, Refuse
from tidegate.limits.scopes import Done, Terms
from tidegate.queue.messages import Refused
from tidegate.queue.store import read_verdict
from tidegate.storage.redis import RedisLink, Script

_pack = msgspec.msgpack.Encoder().encode
_read_allowance = msgspec.json.Decoder(Allowance)


class LaneAsk(msgspec.Struct, frozen=True, gc=False, kw_only=True):
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
    longest: int
    elsewhere: bool = False
    """The call can go elsewhere: a lane without room is no reason to refuse it."""


class Admission(msgspec.Struct, frozen=True, gc=False, kw_only=True):
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
    terms: Terms
    lane: LaneAsk


_NO_LANE = LaneAsk(lane="", member="", tokens=0, flow="", weight=1, deadline=0.0, rpm=0, tpm=0, longest=0)
_NOTHING = "-"
"""The fingerprint of no answer."""


def bare(terms: Terms, line: bytes, *, now: float, only_stored: bool = False) -> Admission:
    """To be let in and no more: no answer is looked for, no flight claimed, no lane entered."""
    return Admission(
        fingerprint=_NOTHING,
        owner="",
        now=now,
        lookup=only_stored,
        claim=False,
        max_age=None,
        only_stored=only_stored,
        hit_entry=line,
        terms=terms,
        lane=_NO_LANE,
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
    done: Done
    head: bytes = b""
    body: bytes = b""
    account: bytes = b"{}"
    keep_seconds: float = 0.0
    """How long the answer is fresh; 0 to keep none."""
    stale_seconds: float = 0.0
    """How much longer it is kept, for when nobody can be asked."""
    answers_of: str = ""
    """The end user whose answer it is, so that it can be found when they are to be forgotten; empty for nobody."""


class Gate:
    """Admits and settles calls, each in one atomic step. Raises RedisUnavailable."""

    def __init__(self, link: RedisLink, *, prefix: str, lease_seconds: float) -> None:
        """All keys share the hash tag `{prefix}`, so that a Redis cluster keeps them in one slot."""
        self._link = link
        self.prefix = f"{{{prefix}}}"
        self._lease_ms = int(lease_seconds * 1000)
        self._admit = Script("admit")
        self._settle = Script("settle")
        self._renew = Script("renew_holds")
        self._reap = Script("reap")
        self._rehold = Script("rehold")
        self._release = Script("release")
        self._memory = Script("memory")

    async def admit(self, ask: Admission) -> Decision:  # noqa: PLR0911  # one for each reply of the script
        """Check the limits, look the answer up, join who is asking it, or go: hold the money, claim the flight."""
        reply = await self._link.run(
            self._admit,
            self._keys(ask.fingerprint),
            (
                f"{ask.now:.6f}",
                -1 if ask.max_age is None else ask.max_age,
                2 if ask.only_stored else int(ask.lookup),
                int(ask.claim),
                ask.owner,
                self._lease_ms,
                ask.hit_entry,
                _pack(ask.terms),
                _pack(ask.lane),
            ),
        )
        match reply:
            case [b"hit", told, at, head, body, account]:
                return Hit(allowance=_allowance(told), at=float(at), head=head, body=body, account=account)
            case [b"join", told, owner, memory]:
                return Join(allowance=_allowance(told), owner=owner.decode(), memory=memory.decode())
            case [b"go", told, memory, counted, *verdict]:
                return Go(
                    allowance=_allowance(told),
                    claimed=ask.claim,
                    memory=memory.decode(),
                    counted=bool(counted),
                    verdict=read_verdict(verdict) if verdict else None,
                )
            case [b"absent"]:
                return Absent()
            case [b"busy", eta, full]:
                return Busy(verdict=Refused(float(eta), full=bool(full)))
            case [b"refuse", what, scope, *figures]:
                return _refusal(what, scope, figures)
            case _:
                return Rebuild()

    async def settle(self, done: Settlement) -> None:
        """Charge, write the entry, keep the answer, end the flight."""
        await self._link.run(
            self._settle,
            (*self._keys(done.fingerprint), f"{self.prefix}:answers_of:{done.answers_of}"),
            (
                done.entry,
                done.owner,
                int((done.keep_seconds + done.stale_seconds) * 1000) if done.keep_seconds else 0,
                f"{done.now:.6f}",
                done.head,
                done.body,
                done.account,
                self.prefix,
                _pack(done.done),
                f"{done.now + done.keep_seconds:.6f}",
                done.fingerprint if done.answers_of else "",
            ),
        )

    async def renew(self, ids: Sequence[str], *, lost_at: float) -> None:
        """Keep what these requests hold until `lost_at`, Unix seconds."""
        await self._link.run(self._renew, (), (self.prefix, f"{lost_at:.3f}", *ids))

    async def reap(self, *, now: float) -> None:
        """Charge calls whose process was silent for longer than their lease; every admission does it, too."""
        await self._link.run(self._reap, (), (self.prefix, f"{now:.6f}"))

    async def memory(self) -> str:
        """The name of Redis's memory; another than before says that it was lost."""
        name: bytes = await self._link.run(self._memory, (), (self.prefix,))
        return name.decode()

    async def rehold(self, ask: Admission, *, spends: bool, now: float) -> None:
        """A call under way holds again what it held, where Redis lost its memory of it."""
        args = (f"{now:.6f}", ask.hit_entry, int(spends), _pack(ask.terms))
        await self._link.run(self._rehold, (), args)

    async def release(self, request_id: str, *, now: float) -> None:
        """A call that was admitted never went: what it holds is given back."""
        await self._link.run(self._release, (), (self.prefix, request_id, f"{now:.6f}"))

    def _keys(self, fingerprint: str) -> tuple[str, str, str]:
        return (
            f"{self.prefix}:answer:{fingerprint}",
            f"{self.prefix}:flight:{fingerprint}",
            f"{self.prefix}:ledger",
        )


def _allowance(told: bytes) -> Allowance:
    return Allowance() if told == b"{}" else _read_allowance.decode(told)


def _refusal(what: bytes, scope: bytes, figures: Sequence[bytes]) -> Refuse:
    limit, used, requested, wait = (float(figure) for figure in figures)
    return Refuse(
        what=what.decode(),
        scope=scope.decode(errors="replace"),
        limit=limit,
        used=used,
        requested=requested,
        wait=None if wait < 0 else wait,
    )
