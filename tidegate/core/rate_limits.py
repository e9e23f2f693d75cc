"""What an upstream's answer says of the upstream's own limits; read by `upstream`, believed (or not) by `admission`."""

import msgspec


class ReportedLimit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit a minute, of requests or of tokens. Both None where nothing was said."""

    limit: int | None = None
    """So many a minute."""
    remaining: int | None = None
    """So many of them are left, as the upstream counted when it took the call."""


class ReportedLimits(msgspec.Struct, frozen=True, kw_only=True):
    """All that one answer says."""

    requests: ReportedLimit = ReportedLimit()
    tokens: ReportedLimit = ReportedLimit()
    exhausted: str = ""
    """The limit of which nothing is left until a window opens, `requests` or `tokens`; empty where none is."""
    reset_seconds: float = 0.0
    """Seconds until it opens."""

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing at all."""
        return self == _NOTHING


_NOTHING = ReportedLimits()
