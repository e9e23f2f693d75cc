"""Where calls go."""

from collections.abc import Mapping

import msgspec


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where to call, as whom, and for which model."""

    url: str
    key: str
    model: str
    headers: Mapping[str, str] = {}
    """Fields that a call needs besides its key."""
