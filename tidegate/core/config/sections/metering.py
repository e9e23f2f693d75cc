"""`[metering]`: what tokens cost, and how the ledger survives failures."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import Field

from tidegate.core.config.section import Section
from tidegate.core.tags import MAX_TAGS, NAME_PATTERN

TagName = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]


class ModelPrice(Section):
    """A model's price in USD per million tokens."""

    input: Decimal = Field(ge=0)
    """Input tokens."""
    cached: Decimal | None = Field(default=None, ge=0)
    """Cached input tokens; None for the price of input tokens."""
    cache_write: Decimal | None = Field(default=None, ge=0)
    """Input tokens that are written to the prompt cache; None for the price of input tokens."""
    cache_write_1h: Decimal | None = Field(default=None, ge=0)
    """Input tokens that are written to the cache for an hour (Anthropic); None for `cache_write`."""
    output: Decimal = Field(default=Decimal(0), ge=0)
    """Output tokens."""
    input_audio: Decimal | None = Field(default=None, ge=0)
    """Sound in the input; None for the price of input tokens."""
    cached_audio: Decimal | None = Field(default=None, ge=0)
    """Cached sound; None for the price of sound in the input."""
    output_audio: Decimal | None = Field(default=None, ge=0)
    """Sound in the output; None for the price of output tokens."""
    input_image: Decimal | None = Field(default=None, ge=0)
    """Images in the input; None for the price of input tokens."""
    cached_image: Decimal | None = Field(default=None, ge=0)
    """Cached images; None for the price of images in the input, or of cached tokens where that is None, too."""
    output_image: Decimal | None = Field(default=None, ge=0)
    """Images in the output; None for the price of output tokens."""
    tool_prices: dict[str, Annotated[Decimal, Field(ge=0)]] = Field(default_factory=dict)
    """USD for one use of each hosted tool with this model, by the tool's name."""


class MeteringConfig(Section):
    """What tokens cost, and how the ledger survives failures."""

    prices: dict[str, ModelPrice] = Field(default_factory=dict)
    """Prices by model name, by target (`provider/model`), or for all models of a provider (`provider/*`)."""
    price_file: Path | None = None
    """A price list in the format of the built-in one, read at startup; its models are looked up first."""
    unknown_model_price: ModelPrice | None = None
    """Charged for a model without a known price. Not set: such calls cost nothing, and budgets refuse them."""
    tool_prices: dict[str, Annotated[Decimal, Field(ge=0)]] = Field(default_factory=dict)
    """USD for one use of each hosted tool, by the tool's name; others cost what the price list says."""
    assumed_tool_calls: int = Field(default=10, ge=1)
    """`max_tool_calls` sent, and reserved, for a call under a budget that offers paid tools and states no limit."""
    unseen_tokens_per_second: int = Field(default=300, ge=1)
    """Assumed maximum output speed, for charging an answer that broke off before its tokens could be counted."""
    tag_metadata: list[TagName] = Field(default_factory=lambda: ["feature", "tenant"], max_length=MAX_TAGS)
    """Names in a body's `metadata` whose values become tags; the ledger keeps them for ever."""
    spool_dir: Path | None = None
    """The directory in which ledger entries wait on disk while Redis is unavailable. Unset: `spool` in `data_dir`."""
    record_refused: bool = True
    """Calls that a known key was refused are entries of no cost; of a flood, 20 a minute and one with the count."""
    max_buffered_entries: int = Field(default=10_000, ge=1)
    """Maximum of ledger entries in memory while neither Redis nor the disk takes them; then requests are rejected."""
