"""Which targets answer for a model's name, and what is done when none of them can."""

from typing import Literal

from pydantic import Field, model_validator

from tidegate.core.config.section import Section

MAX_TARGETS = 32


class TargetConfig(Section):
    """A model at a provider."""

    provider: str
    model: str | None = Field(default=None, min_length=1, max_length=256)
    """The model's name there; None for the name that the caller used."""
    credentials: list[str] = Field(default_factory=list)
    """The names of the provider's credentials that may be used, in the order to try; empty for all."""
    weight: int | None = Field(default=None, ge=0)
    """Its share of the calls, where targets are weighted; 0 for after all others."""


class FallbackStepsConfig(Section):
    """Which steps of the ladder may be taken."""

    credentials: bool = True
    """The same target with another credential."""
    targets: bool = True
    """The next target."""
    stale: bool = True
    """An answer from the cache that is no longer fresh."""
    canned: bool = True
    """The reply that is configured."""


class RouteConfig(Section):
    """What a model's name stands for."""

    targets: list[TargetConfig] = Field(min_length=1, max_length=MAX_TARGETS)
    strategy: Literal["listed", "weighted"] = "listed"
    """Which target is tried first: always the first one, or each by its weight."""
    fallback_steps: FallbackStepsConfig = FallbackStepsConfig()
    stale_for_seconds: float | None = Field(default=None, ge=0)
    """How long answers may be given after they have ceased to be fresh; None for `cache.stale_for_seconds`."""
    canned_reply: str | None = Field(default=None, min_length=1, max_length=100_000)
    """What is said when nobody can answer."""

    @model_validator(mode="after")
    def _refuse_weights_without_meaning(self) -> "RouteConfig":
        weights = [target.weight for target in self.targets if target.weight is not None]
        if weights and self.strategy == "listed":
            raise ValueError('a weight has a meaning only with order = "weighted"')
        if self.strategy == "weighted" and len(weights) == len(self.targets) and not any(weights):
            raise ValueError("at least one target needs a weight above 0")
        return self
