"""The days, weeks and months of budgets, in the team's time zone. No I/O.

A day of a zone with summer time has 23 to 25 hours. Redis gets the names of the periods and their ends from here, and
the rebuild of counters sums the ledger between the same moments.
"""

from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

_SLOT_SECONDS = 900
"""Midnights and changes of the clock are whole quarters of an hour in UTC, in every zone."""


class BudgetPeriod(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A day, its week and its month, and when they begin and end, in Unix seconds."""

    day: str
    """As `2026-11-29`."""
    week: str
    """As `2026-W48`, by ISO 8601: weeks begin on Monday."""
    month: str
    """As `2026-11`."""
    day_start: float
    midnight: float
    week_start: float
    week_end: float
    month_start: float
    month_end: float


class BudgetCalendar(msgspec.Struct, frozen=True, gc=False):
    """The periods of one time zone."""

    zone: str = "UTC"
    """The IANA name."""

    @property
    def label(self) -> str:
        """Return the zone's name, empty for UTC: Redis keeps it beside the counters, as older releases know none."""
        return "" if self.zone == "UTC" else self.zone

    def period(self, now: float) -> BudgetPeriod:
        """Return the day, week and month of a moment in Unix seconds."""
        return _period(self.zone, int(now // _SLOT_SECONDS))


UTC_CALENDAR = BudgetCalendar()


def period_of(now: float) -> BudgetPeriod:
    """Return the UTC day, week and month of a moment in Unix seconds."""
    return _period("UTC", int(now // _SLOT_SECONDS))


@lru_cache(maxsize=8)
def _period(name: str, slot: int) -> BudgetPeriod:
    zone = UTC if name == "UTC" else ZoneInfo(name)
    now = datetime.fromtimestamp(slot * _SLOT_SECONDS, zone)
    year, month = divmod(now.year * 12 + now.month, 12)
    iso_year, week, weekday = now.isocalendar()
    monday = now.toordinal() + 1 - weekday
    return BudgetPeriod(
        day=now.strftime("%Y-%m-%d"),
        week=f"{iso_year}-W{week:02d}",
        month=now.strftime("%Y-%m"),
        day_start=datetime(now.year, now.month, now.day, tzinfo=zone).timestamp(),
        midnight=_midnight(now.toordinal() + 1, zone),
        week_start=_midnight(monday, zone),
        week_end=_midnight(monday + 7, zone),
        month_start=datetime(now.year, now.month, 1, tzinfo=zone).timestamp(),
        month_end=datetime(year, month + 1, 1, tzinfo=zone).timestamp(),
    )


def _midnight(ordinal: int, zone: tzinfo) -> float:
    """Return the begin of a day, which is counted from the year 1."""
    return datetime.fromordinal(ordinal).replace(tzinfo=zone).timestamp()
