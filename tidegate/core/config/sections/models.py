"""`[models]`: the models that callers may use."""

from pydantic import Field

from tidegate.core.config.section import Section


class ModelsConfig(Section):
    """The models that callers may use."""

    allowed: list[str] = Field(default_factory=list)
    """Names of the allowed models; empty allows every model."""
