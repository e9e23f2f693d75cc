"""What an upstream's answer says of the upstream's own limits; read by `upstream`, believed (or not) by `admission`."""

import msgspec


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """One limit a minute, of requests or of tokens. Both None where nothing was said."""

    limit: int | None = None
    """So many a minute."""
    left: int | None = None
    """So many of them are left, as the upstream counted when it took the call."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """All that one answer says."""

    requests: Allowance = Allowance()
    tokens: Allowance = Allowance()
    shut: str = ""
    """The limit of which nothing is left until a window opens, `requests` or `tokens`; empty where none is."""
    shut_for: float = 0.0
    """Seconds until it opens."""

    @property
    def nothing(self) -> bool:
        """Whether it says nothing at all."""
        return self == _NOTHING


_NOTHING = Said()
