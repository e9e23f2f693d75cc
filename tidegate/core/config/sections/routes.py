"""`[routes]`: the targets that answer for a model's name, and what is done when none of them can."""

from typing import Literal

from pydantic import Field, model_validator

from tidegate.core.config.section import Section

MAX_TARGETS = 32


class TargetConfig(Section):
    """A model at a provider."""

    provider: str
    """The provider's name."""
    model: str | None = Field(default=None, min_length=1, max_length=256)
    """The model's name at the provider; None for the name that the caller used."""
    credentials: list[str] = Field(default_factory=list)
    """Names of the provider's credentials that may be used, in the order to try; empty for all."""
    weight: int | None = Field(default=None, ge=0)
    """The target's share of the conversations, with the strategy `weighted`; 0 puts it after all others."""


class FallbackStepsConfig(Section):
    """Which fallback steps may be taken after a failure."""

    credentials: bool = True
    """The same target with another credential."""
    targets: bool = True
    """The next target."""
    stale: bool = True
    """A stored answer that is no longer fresh."""
    canned: bool = True
    """The configured `canned_reply`."""


class RouteConfig(Section):
    """The targets that a model's name stands for."""

    targets: list[TargetConfig] = Field(min_length=1, max_length=MAX_TARGETS)
    """The targets, in the order to try."""
    strategy: Literal["priority", "weighted"] = "priority"
    """Which target is tried first: always the first one, or one chosen by weight for each conversation."""
    fallback_steps: FallbackStepsConfig = FallbackStepsConfig()
    """Which fallback steps may be taken after a failure."""
    stale_for_seconds: float | None = Field(default=None, ge=0)
    """How long stored answers stay available after they were fresh; None for `cache.stale_for_seconds`."""
    assumed_output_tokens: int | None = Field(default=None, ge=16)
    """Output limit sent for a call that states none, where money is limited; None for that of `[budgets]`."""
    canned_reply: str | None = Field(default=None, min_length=1, max_length=100_000)
    """The text that is returned when no target can answer."""

    @model_validator(mode="after")
    def _check_weights(self) -> "RouteConfig":
        weights = [target.weight for target in self.targets if target.weight is not None]
        if weights and self.strategy != "weighted":
            raise ValueError('a weight has a meaning only with strategy = "weighted"')
        if self.strategy == "weighted" and len(weights) == len(self.targets) and not any(weights):
            raise ValueError("at least one target needs a weight above 0")
        return self
