"""The rate limits that an upstream's answer reports; `providers` reads them, `queue` decides whether to trust them."""

import msgspec


class ReportedLimit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit per minute, of requests or of tokens. Both fields are None where the answer reports nothing."""

    limit: int | None = None
    """The limit per minute."""
    remaining: int | None = None
    """What remained of it when the upstream accepted the call."""


class ReportedLimits(msgspec.Struct, frozen=True, kw_only=True):
    """All limits that one answer reports."""

    requests: ReportedLimit = ReportedLimit()
    tokens: ReportedLimit = ReportedLimit()
    exhausted: str = ""
    """The limit that is used up until its reset, `requests` or `tokens`; empty where none is."""
    reset_seconds: float = 0.0
    """Seconds until the reset."""

    @property
    def is_empty(self) -> bool:
        """Whether the answer reports no limit at all."""
        return self == _EMPTY


_EMPTY = ReportedLimits()
