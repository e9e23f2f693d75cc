"""The two Redis round trips of a request: in by `admit`, out by `settle`."""

import msgspec

from tidegate.admission.decision import Decision, Go, Hit, Join
from tidegate.connections.redis import RedisLink, Script


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


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What a call leaves behind."""

    fingerprint: str
    owner: str
    """Empty where no flight was claimed."""
    entry: bytes
    """The ledger entry, JSON."""
    now: float
    """Unix seconds."""
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
        self._prefix = f"{{{prefix}}}"
        self._lease_ms = int(lease_seconds * 1000)
        self._admit = Script("admit")
        self._settle = Script("settle")

    async def admit(self, ask: Admission) -> Decision:
        """Look the answer up, join who is asking it, or go (and claim the flight)."""
        reply = await self._link.run(
            self._admit,
            self._keys(ask.fingerprint),
            (
                f"{ask.now:.3f}",
                -1 if ask.max_age is None else ask.max_age,
                int(ask.lookup),
                int(ask.claim),
                ask.owner,
                self._lease_ms,
                ask.hit_entry,
            ),
        )
        match reply:
            case [b"hit", at, head, body, account]:
                return Hit(at=float(at), head=head, body=body, account=account)
            case [b"join", owner]:
                return Join(owner=owner.decode())
            case _:
                return Go(claimed=ask.claim)

    async def settle(self, done: Settlement) -> None:
        """Write the entry, keep the answer, end the flight."""
        await self._link.run(
            self._settle,
            self._keys(done.fingerprint),
            (
                done.entry,
                done.owner,
                done.keep_seconds * 1000,
                f"{done.now:.3f}",
                done.head,
                done.body,
                done.account,
            ),
        )

    def _keys(self, fingerprint: str) -> tuple[str, str, str]:
        return (
            f"{self._prefix}:answer:{fingerprint}",
            f"{self._prefix}:flight:{fingerprint}",
            f"{self._prefix}:ledger",
        )
