"""What the alerts compare with: the thresholds and windows of `[alerts]`, in the units of the figures. No I/O."""

import enum
from collections.abc import Mapping

import msgspec


@enum.unique
class AlertName(enum.StrEnum):
    """The three alerts. There is no fourth."""

    SLOW = "slow"
    ERRORS = "errors"
    COST = "cost"


OTHER_MODELS = ""
"""The group of all models that have no threshold of their own."""
CALM_SHARE = 0.8
"""An alert resolves below this share of its threshold."""


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """The thresholds of one deployment."""

    slow_ms: int = 5_000
    model_ms: Mapping[str, int] = {}
    """Thresholds of single models, by the name that callers ask for."""
    error_rate: float = 0.05
    cost_nanos: int = 100_000_000_000
    """Of one day, in nano-dollars."""
    min_calls: int = 20
    """Fewer calls in a window fire no alert."""
    window_seconds: int = 300
    enabled: frozenset[AlertName] = frozenset(AlertName)

    def of_group(self, group: str) -> int:
        """Return the milliseconds that a group of models may take."""
        return self.model_ms.get(group, self.slow_ms)
