"""`[budgets]`: what the whole deployment may spend."""

from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from tidegate.core.config.section import Section
from tidegate.core.money import nanos_of_decimal
from tidegate.core.values import Limits


class BudgetsConfig(Section):
    """What the whole deployment may spend, in USD; projects, keys and end users have budgets of their own."""

    time_zone: str = "UTC"
    """The IANA time zone whose days, weeks and months budgets and reports have, as `Europe/Berlin`."""
    limit_usd_per_day: Decimal | None = Field(default=None, ge=0)
    """Maximum spending in a day; requests beyond it are rejected. Not set: no limit."""
    limit_usd_per_week: Decimal | None = Field(default=None, ge=0)
    """Maximum spending in a week, from Monday; requests beyond it are rejected. Not set: no limit."""
    limit_usd_per_month: Decimal | None = Field(default=None, ge=0)
    """Maximum spending in a month; requests beyond it are rejected. Not set: no limit."""
    assumed_output_tokens: int | None = Field(default=None, ge=16)
    """Output limit sent for a call that states none, where money is limited. Not set: by `assumed_output_share`."""
    assumed_output_share: float = Field(default=0.05, gt=0, le=1)
    """Largest share of the smallest budget that the output of a call without an output limit may cost."""
    max_end_users: int = Field(default=100_000, ge=1)
    """End users, and values of tags, with a budget or a daily limit that a project may name in a month, or a day."""
    lease_seconds: float = Field(default=30.0, ge=1)
    """Seconds without a sign of its process after which a request is given up as lost and charged its reservation."""
    rebuild_after_seconds: float = Field(default=3.0, ge=0.5)
    """After Redis data loss: seconds to wait for all processes to report their reservations."""

    @field_validator("time_zone")
    @classmethod
    def _check_time_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is no IANA time zone, such as Europe/Berlin or UTC") from error
        return name

    @property
    def deployment_limits(self) -> Limits:
        """The limits, as limits of the whole deployment."""
        return Limits(
            budget_day=_nanos(self.limit_usd_per_day),
            budget_week=_nanos(self.limit_usd_per_week),
            budget_month=_nanos(self.limit_usd_per_month),
        )


def _nanos(usd: Decimal | None) -> int | None:
    return None if usd is None else nanos_of_decimal(usd)
