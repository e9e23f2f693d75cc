"""`[metering]`: what tokens cost, and how the ledger survives failures."""

from decimal import Decimal
from pathlib import Path

from pydantic import Field

from tidegate.core.config.section import Section


class ModelPrice(Section):
    """A model's price in USD per million tokens."""

    input: Decimal = Field(ge=0)
    """Input tokens."""
    cached: Decimal | None = Field(default=None, ge=0)
    """Cached input tokens; None for the price of input tokens."""
    output: Decimal = Field(default=Decimal(0), ge=0)
    """Output tokens."""


class MeteringConfig(Section):
    """What tokens cost, and how the ledger survives failures."""

    prices: dict[str, ModelPrice] = Field(default_factory=dict)
    """Prices by model name, by target (`provider/model`), or for all models of a provider (`provider/*`)."""
    unknown_model_price: ModelPrice = ModelPrice(input=Decimal(10), output=Decimal(40))
    """Charged, with a warning, for a model without a known price; never zero."""
    unseen_tokens_per_second: int = Field(default=300, ge=1)
    """Assumed maximum output speed, for charging an answer that broke off before its tokens could be counted."""
    spool_dir: Path = Path(".tidegate/spool")
    """The directory in which ledger entries wait on disk while Redis is unavailable."""
    max_buffered_entries: int = Field(default=10_000, ge=1)
    """Maximum of ledger entries in memory while neither Redis nor the disk takes them; then requests are rejected."""
