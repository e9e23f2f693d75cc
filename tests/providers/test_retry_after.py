"""A wait is understood in each of the upstream's dialects, and nonsense is no wait at all."""

from email.utils import format_datetime, formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tidegate.providers.retry_after import LONGEST_WAIT, duration, retry_after

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6ms", 0.006),
        ("1s", 1.0),
        ("8.64s", 8.64),
        ("20s", 20.0),
        ("6m0s", 360.0),
        ("7m12s", 432.0),
        ("1h0m0.5s", 3600.5),
        ("1m0.5s", 60.5),
        ("250µs", 0.00025),
        ("2d", 172_800.0),
        ("0s", 0.0),
        ("", None),
        ("soon", None),
        ("12", None),
        ("-1s", None),
        ("1s later", None),
        ("1 s", None),
        ("inf", None),
        ("9999999999h", None),
        ("9" * 400 + "s", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"retry-after-ms": "120"}, "", 0.12),
        ({"retry-after-ms": "120", "retry-after": "9"}, "Please try again in 3s.", 0.12),
        ({"retry-after": "9"}, "Please try again in 3s.", 9.0),
        ({"retry-after": "0"}, "", 0.0),
        ({"retry-after": "1.5"}, "", 1.5),
        ({"retry-after": formatdate(NOW + 30, usegmt=True)}, "", 30.0),
        ({"retry-after": formatdate(NOW + 30).replace("-0000", "")}, "", 30.0),
        ({"retry-after": formatdate(NOW - 30, usegmt=True)}, "Please try again in 3s.", 3.0),
        ({}, "Limit 30000, Used 29937, Requested 385. Please try again in 644ms.", 0.644),
        ({}, "Please try again in 7m12s. Visit the page to learn more.", 432.0),
        ({}, "Please try again in 8.64s.", 8.64),
        ({}, "Requests have exceeded the rate limit. Please retry after 9 seconds.", 9.0),
        ({}, "Please retry after 1 second.", 1.0),
        ({}, "Please try again in 2.5 seconds.", 2.5),
        ({}, "Please Retry After 2s", 2.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m0s"}, "", 60.0),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "1m0s"}, "", None),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "2s",
                "x-ratelimit-remaining-project-tokens": "0",
                "x-ratelimit-reset-project-tokens": "6m0s",
            },
            "",
            360.0,
        ),
        ({"x-ratelimit-remaining-requests": "-1", "x-ratelimit-reset-requests": "0"}, "", None),
        ({"x-ratelimit-remaining-requests": "0"}, "", None),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "-5"}, "", None),
        ({"retry-after": "nan"}, "", None),
        ({"retry-after": "inf"}, "", None),
        ({"retry-after-ms": "1e400"}, "", None),
        ({"retry-after": "Wed, 99 Nov 2026 99:99:99 GMT"}, "", None),
        ({"retry-after": str(LONGEST_WAIT + 1)}, "", None),
        ({}, "try again in a while", None),
        ({}, "Your quota will reset after 27h41m36s.", 99_696.0),
        ({}, "Usage limit reached for 5 hour. Your limit will reset at 2026-09-21 14:20:00", 400.0),
        ({}, "It resets at 2026-09-21T16:20:00+02:00.", 400.0),
        ({}, "您的限额将在 2026-09-21 14:20:00 重置。", 400.0),
        ({}, "Your limit will reset at 2026-09-01 14:13:20", None),
        ({}, "Your limit will reset at 2026-99-21 14:13:20", None),
        ({}, "Monthly usage limit reached. Resets in 16 days. To continue, pay.", LONGEST_WAIT),
        ({}, "No deployments available, Try again in 60 seconds. Passed model=m.", 60.0),
        ({}, "Please wait for 2 minutes and 30 seconds before you try again.", 150.0),
        ({}, "Please try again in 3 moons.", None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1790000060000"}, "", 60.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1790000060"}, "", 60.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "12"}, "", 12.0),
        ({"x-ratelimit-remaining": "3", "x-ratelimit-reset": "12"}, "", None),
        ({}, "", None),
    ],
)
def test_where_a_wait_may_stand(headers: dict[str, str], message: str, seconds: float | None) -> None:
    assert retry_after(headers, message, NOW) == pytest.approx(seconds)


NAMES = ["retry-after", "retry-after-ms", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"]
FIGURES = some.one_of(
    some.text(max_size=40),
    some.floats().map(str),
    some.integers().map(str),
    some.datetimes().map(format_datetime),
    some.from_regex(r"(try again in |retry after )?[0-9.]{1,20}(ms|s|m|h|d)?", fullmatch=True),
)


@given(some.dictionaries(some.sampled_from(NAMES), FIGURES), FIGURES)
def test_whatever_is_sent_a_wait_is_believable_or_none(headers: dict[str, str], message: str) -> None:
    wait = retry_after(headers, message, NOW)
    assert wait is None or 0 <= wait <= LONGEST_WAIT
