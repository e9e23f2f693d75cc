"""The values of a filter are those that the queries take, and nothing stands for any."""

from tidegate.core.tags import parse_tag
from tidegate.metering.reports.call_filter import ALL_CALLS, CallFilter


def test_what_is_not_given_is_null() -> None:
    assert ALL_CALLS.sql_values == (None, None, None, None, None)
    tags = [parse_tag("team=blue")]
    calls = CallFilter(project="shop", key_id="key_1", end_user="ada", model="gpt-4o", tags=tags)
    assert calls.sql_values == ("shop", "key_1", "ada", "gpt-4o", '{"team":"blue"}')
