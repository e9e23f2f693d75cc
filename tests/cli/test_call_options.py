"""Days are those of the time zone, and a tag that is none is refused."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tidegate.cli.call_options import call_filter, parse_time
from tidegate.core.errors import InvalidParameter

NOON = datetime(2026, 10, 26, 11, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "moment"),
    [("today", datetime(2026, 10, 25, 23, tzinfo=UTC)), ("yesterday", datetime(2026, 10, 24, 22, tzinfo=UTC))],
)
def test_yesterday_may_have_25_hours(text: str, moment: datetime) -> None:
    assert parse_time(text, NOON, ZoneInfo("Europe/Berlin")) == moment.timestamp()


def test_a_tag_without_a_value_is_refused() -> None:
    with pytest.raises(InvalidParameter):
        call_filter(project=None, key=None, user=None, model=None, tag=["team"])
