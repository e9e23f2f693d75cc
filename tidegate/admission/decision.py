"""What the gate decides of a call."""

import msgspec


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """The answer is stored; its ledger entry is written."""

    at: float
    """Unix seconds at which it was stored."""
    head: bytes
    body: bytes
    account: bytes


class Join(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody is asking the same right now."""

    owner: str
    """`process:request` of the one who asks."""


class Go(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the upstream."""

    claimed: bool
    """Others who ask the same will join this call."""


Decision = Hit | Join | Go
