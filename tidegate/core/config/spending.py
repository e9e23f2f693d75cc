"""What tokens cost, and what may be spent."""

from decimal import Decimal
from pathlib import Path

from pydantic import Field

from tidegate.core.config.section import Section
from tidegate.core.money import nanos_of_decimal
from tidegate.core.values import Limits


class ModelPrice(Section):
    """USD per million tokens."""

    input: Decimal = Field(ge=0)
    cached: Decimal | None = Field(default=None, ge=0)
    output: Decimal = Field(default=Decimal(0), ge=0)


class MeteringConfig(Section):
    """What tokens cost."""

    prices: dict[str, ModelPrice] = Field(default_factory=dict)
    """Overrides by model name, by target (`provider/model`), or for all that a provider answers (`provider/*`)."""
    unknown_model_price: ModelPrice = ModelPrice(input=Decimal(10), output=Decimal(40))
    """Charged, with a warning, for a model whose price nobody knows; never zero."""
    unseen_tokens_per_second: int = Field(default=300, ge=1)
    """What an upstream is taken to write at most, where an answer broke off and nobody saw how much of it there was."""
    spool_dir: Path = Path(".tidegate/spool")
    """Where ledger entries wait on disk while Redis is away."""
    max_buffered_entries: int = Field(default=10_000, ge=1)
    """Ledger entries kept in memory while neither Redis nor the disk takes them; then calls are refused."""


class BudgetsConfig(Section):
    """What the whole deployment may spend, in USD; projects, keys and end users have budgets of their own."""

    alert_usd_per_day: Decimal = Field(default=Decimal(100), ge=0)
    """Spending more wakes a person, and stops nobody."""
    limit_usd_per_day: Decimal | None = Field(default=None, ge=0)
    """No paid call goes beyond it; not set, there is no stop."""
    limit_usd_per_month: Decimal | None = Field(default=None, ge=0)
    """No paid call goes beyond it; not set, there is no stop."""
    lease_seconds: float = Field(default=30.0, ge=1)
    """Silence of its process after which a call under way is lost, and charged the most it could cost."""
    rebuild_after_seconds: float = Field(default=3.0, ge=0.5)
    """After Redis lost its memory: how long the processes may take to say what their calls hold."""

    @property
    def deployment_limits(self) -> Limits:
        """The stops, as limits of the whole deployment."""
        return Limits(budget_day=_nanos(self.limit_usd_per_day), budget_month=_nanos(self.limit_usd_per_month))

    @property
    def alert_nanos_per_day(self) -> int:
        """What may be spent in a day without waking anybody."""
        return nanos_of_decimal(self.alert_usd_per_day)


def _nanos(usd: Decimal | None) -> int | None:
    return None if usd is None else nanos_of_decimal(usd)
