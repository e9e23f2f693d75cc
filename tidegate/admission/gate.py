"""The two Redis round trips of a request: in by `admit`, out by `settle`."""

from collections.abc import Sequence

import msgspec

from tidegate.admission.decision import Allowance, Decision, Go, Hit, Join, Rebuild, Refuse
from tidegate.admission.terms import Done, Terms
from tidegate.connections.redis import RedisLink, Script

_read_allowance = msgspec.json.Decoder(Allowance)


class Admission(msgspec.Struct, frozen=True, kw_only=True):
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
    hit_entry: bytes
    """The ledger entry, JSON, to write on a hit."""
    terms: Terms


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
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
    keep_seconds: int = 0
    """How long to keep the answer; 0 not at all."""


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

    async def admit(self, ask: Admission) -> Decision:
        """Check the limits, look the answer up, join who is asking it, or go: hold the money, claim the flight."""
        reply = await self._link.run(
            self._admit,
            self._keys(ask.fingerprint),
            (
                f"{ask.now:.6f}",
                -1 if ask.max_age is None else ask.max_age,
                int(ask.lookup),
                int(ask.claim),
                ask.owner,
                self._lease_ms,
                ask.hit_entry,
                msgspec.json.encode(ask.terms),
            ),
        )
        match reply:
            case [b"hit", told, at, head, body, account]:
                return Hit(allowance=_allowance(told), at=float(at), head=head, body=body, account=account)
            case [b"join", told, owner, counted]:
                return Join(allowance=_allowance(told), owner=owner.decode(), counted=counted.decode())
            case [b"go", told, counted]:
                return Go(allowance=_allowance(told), claimed=ask.claim, counted=counted.decode())
            case [b"refuse", what, scope, *figures]:
                return _refusal(what, scope, figures)
            case _:
                return Rebuild()

    async def settle(self, done: Settlement) -> None:
        """Charge, write the entry, keep the answer, end the flight."""
        await self._link.run(
            self._settle,
            self._keys(done.fingerprint),
            (
                done.entry,
                done.owner,
                done.keep_seconds * 1000,
                f"{done.now:.6f}",
                done.head,
                done.body,
                done.account,
                self.prefix,
                msgspec.json.encode(done.done),
            ),
        )

    async def renew(self, ids: Sequence[str], *, lost_at: float) -> None:
        """Keep what these requests hold until `lost_at`, Unix seconds."""
        await self._link.run(self._renew, (), (self.prefix, f"{lost_at:.3f}", *ids))

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
