"""A target: a model at a provider."""

from functools import cached_property

import msgspec


class Target(msgspec.Struct, frozen=True, dict=True):
    """A model at a provider."""

    provider: str
    """The name under which the provider is configured."""
    model: str
    """The model's name as the provider knows it."""
    credentials: tuple[str, ...] = ()
    """The names of the credentials that may be used, in their order; empty for all."""

    @cached_property
    def name(self) -> str:
        """The name that callers, the ledger and the metrics show."""
        return f"{self.provider}/{self.model}"
