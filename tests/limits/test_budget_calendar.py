"""Days, weeks and months end in the team's time zone, and a day has as many hours as its clocks show."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tidegate.limits.budget_calendar import BudgetCalendar, period_of

HOUR = 3600.0


def moment(zone: str, text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("zone", "at", "hours"),
    [
        ("UTC", "2026-03-29T12:00", 24),
        ("Europe/Berlin", "2026-03-29T12:00", 23),
        ("Europe/Berlin", "2026-10-25T02:30", 25),
        ("Europe/Berlin", "2026-10-25T00:00", 25),
        ("America/New_York", "2026-11-01T23:59", 25),
        ("Australia/Lord_Howe", "2026-10-04T12:00", 23.5),
        ("Asia/Kathmandu", "2026-11-29T12:00", 24),
        ("Africa/Cairo", "2026-04-24T12:00", 23),  # it has no midnight: the day begins at one
    ],
)
def test_a_day_lasts_from_midnight_to_midnight_there(zone: str, at: str, hours: float) -> None:
    now = moment(zone, at)
    period = BudgetCalendar(zone).period(now)
    assert period.day == at[:10]
    assert (period.midnight - period.day_start) / HOUR == hours
    assert period.day_start <= now < period.midnight
    before, after = BudgetCalendar(zone).period(period.day_start - 1), BudgetCalendar(zone).period(period.midnight)
    assert (before.midnight, after.day_start) == (period.day_start, period.midnight)


@pytest.mark.parametrize(
    ("zone", "at", "name", "monday", "hours"),
    [
        ("UTC", "2026-11-29T23:59", "2026-W48", "2026-11-23", 168),
        ("UTC", "2026-11-30T00:00", "2026-W49", "2026-11-30", 168),
        ("Europe/Berlin", "2026-03-29T12:00", "2026-W13", "2026-03-23", 167),
        ("Europe/Berlin", "2026-10-19T00:00", "2026-W43", "2026-10-19", 169),
        ("America/New_York", "2026-11-01T23:59", "2026-W44", "2026-10-26", 169),
        ("Australia/Lord_Howe", "2026-10-04T12:00", "2026-W40", "2026-09-28", 167.5),
        ("Asia/Tokyo", "2027-01-03T23:59", "2026-W53", "2026-12-28", 168),  # the week has Thursday in the old year
        ("Asia/Tokyo", "2024-12-31T12:00", "2025-W01", "2024-12-30", 168),
    ],
)
def test_a_week_lasts_from_monday_to_monday_there(zone: str, at: str, name: str, monday: str, hours: float) -> None:
    now = moment(zone, at)
    period = BudgetCalendar(zone).period(now)
    assert (period.week, period.week_start) == (name, moment(zone, monday))
    assert (period.week_end - period.week_start) / HOUR == hours
    assert period.week_start <= now < period.week_end
    assert BudgetCalendar(zone).period(period.week_end).week_start == period.week_end


def test_a_month_ends_there() -> None:
    period = BudgetCalendar("Asia/Tokyo").period(moment("UTC", "2026-12-31T15:00"))
    assert (period.day, period.month) == ("2027-01-01", "2027-01")
    assert period.month_start == moment("Asia/Tokyo", "2027-01-01")
    assert period.month_end == moment("Asia/Tokyo", "2027-02-01")
    december = BudgetCalendar("Asia/Tokyo").period(moment("UTC", "2026-12-31T14:59:59"))
    assert (december.day, december.month, december.month_end) == ("2026-12-31", "2026-12", period.month_start)


def test_utc_is_the_zone_of_those_who_name_none() -> None:
    now = moment("UTC", "2026-11-29T23:59:59")
    assert BudgetCalendar().period(now) == period_of(now)
    assert (BudgetCalendar().label, BudgetCalendar("Europe/Berlin").label) == ("", "Europe/Berlin")
