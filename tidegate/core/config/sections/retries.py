"""`[retries]`: how often a failed call is sent again."""

from pydantic import Field

from tidegate.core.config.section import Section


class RetriesConfig(Section):
    """How often a failed call is sent to the same target again."""

    max_retries: int = Field(default=2, ge=0, le=10)
    """Maximum of retries of one call at the same target."""
    budget_ratio: float = Field(default=0.1, ge=0, le=1)
    """Maximum ratio of retries to calls."""
    budget_min: int = Field(default=3, ge=0)
    """Retries that are allowed in ten seconds however few calls there are."""
