"""Whatever the upstream puts in its headers, a limit is read or nothing is; a day's limit is no minute's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.rate_limits import ReportedLimit, ReportedLimits
from tidegate.providers.openai_family.rate_limit_headers import reported_limits

NOTHING = ReportedLimits()


def requests(limit: str | None, left: str | None, reset: str | None) -> dict[str, str]:
    named = {"limit": limit, "remaining": left, "reset": reset}
    return {f"x-ratelimit-{name}-requests": value for name, value in named.items() if value is not None}


@pytest.mark.parametrize(
    ("headers", "allowance"),
    [
        (requests("600", "599", "100ms"), ReportedLimit(limit=600, remaining=599)),
        (requests("600", "600", "0s"), ReportedLimit(limit=600, remaining=600)),
        (requests("30,000", "29,999", "2ms"), ReportedLimit(limit=30_000, remaining=29_999)),
        (requests(" 600 ", " 12 ", " 58.8s "), ReportedLimit(limit=600, remaining=12)),
        (requests("600.0", "12.0", "58.8"), ReportedLimit(limit=600, remaining=12)),
        (requests("600", "700", "0s"), ReportedLimit(limit=600, remaining=600)),
        (requests("600", "0", "1m0s"), ReportedLimit(limit=600, remaining=0)),
        (requests("600", "0", "59.9s"), ReportedLimit(limit=600, remaining=0)),
        (requests("3", "0", "42s"), ReportedLimit(limit=3, remaining=0)),
        (requests("600", None, None), ReportedLimit(limit=600)),
        (requests("600", "-1", "-1"), ReportedLimit(limit=600)),
        (requests("600", "some", "soon"), ReportedLimit(limit=600)),
        (requests("600", "5", "soon"), ReportedLimit(limit=600, remaining=5)),
    ],
)
def test_a_limit_a_minute_is_read(headers: dict[str, str], allowance: ReportedLimit) -> None:
    assert reported_limits(headers) == ReportedLimits(requests=allowance)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/json"},
        requests("-1", "-1", "0s"),
        requests("0", "0", "0s"),
        requests(None, "0", "1s"),
        requests("", "", ""),
        requests("unlimited", "unlimited", "never"),
        requests("nan", "inf", "1e99"),
        requests("1e300", "1", "1s"),
    ],
)
def test_what_is_no_figure_says_nothing(headers: dict[str, str]) -> None:
    assert reported_limits(headers) == NOTHING


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (
            requests("600", "0", "300ms"),
            ReportedLimits(requests=ReportedLimit(limit=600, remaining=0), exhausted="requests", reset_seconds=0.3),
        ),
        (
            requests("600", "0", "40s"),
            ReportedLimits(requests=ReportedLimit(limit=600, remaining=0), exhausted="requests", reset_seconds=40.0),
        ),
        (requests("10000", "0", "13h20m0s"), ReportedLimits(exhausted="requests", reset_seconds=48_000.0)),
        (requests("600", "1", "300ms"), ReportedLimits(requests=ReportedLimit(limit=600, remaining=1))),
    ],
)
def test_a_window_with_nothing_left_is_shut_until_it_opens(headers: dict[str, str], said: ReportedLimits) -> None:
    assert reported_limits(headers) == said


def test_a_limit_a_day_is_not_taken_for_one_a_minute() -> None:
    assert reported_limits(requests("10000", "9999", "8.64s")) == NOTHING
    assert reported_limits(requests("200", "100", "12h0m0s")) == NOTHING


def test_tokens_are_read_too_and_the_narrower_of_projects_and_organizations_counts() -> None:
    headers = {
        "x-ratelimit-limit-tokens": "30000",
        "x-ratelimit-remaining-tokens": "20000",
        "x-ratelimit-reset-tokens": "20s",
        "x-ratelimit-limit-project-tokens": "10000",
        "x-ratelimit-remaining-project-tokens": "9000",
        "x-ratelimit-reset-project-tokens": "6s",
    }
    assert reported_limits(headers).tokens == ReportedLimit(limit=10_000, remaining=9_000)
    headers["x-ratelimit-remaining-tokens"] = "500"
    assert reported_limits(headers).tokens == ReportedLimit(limit=30_000, remaining=500)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "Rate limit reached for m on tokens per min (TPM): Limit 30000, Used 29937, Requested 385.",
            ReportedLimits(tokens=ReportedLimit(limit=30_000, remaining=0)),
        ),
        (
            "… on requests per min (RPM): Limit 1,500, Used 1500",
            ReportedLimits(requests=ReportedLimit(limit=1_500, remaining=0)),
        ),
        ("… on requests per day (RPD): Limit 200, Used 200", NOTHING),
        ("Requests to the model have exceeded the call rate limit. Please retry after 9 seconds.", NOTHING),
    ],
)
def test_a_refusals_words_name_the_limit_where_headers_do_not(message: str, said: ReportedLimits) -> None:
    assert reported_limits({}, message) == said


def test_a_refusals_words_win_over_a_header_that_told_the_days_limit() -> None:
    headers = requests("10000", "9000", "8.64s")
    assert reported_limits(headers, "(RPM): Limit 500, Used 500").requests == ReportedLimit(limit=500, remaining=0)


texts = st.text(max_size=12) | st.from_regex(r"-?[0-9,.]{1,8}(ms|s|m|h)?", fullmatch=True)


@given(st.dictionaries(st.sampled_from([*requests("", "", ""), "x-ratelimit-limit-tokens"]), texts), st.text())
def test_nothing_raises_and_every_figure_makes_sense(headers: dict[str, str], message: str) -> None:
    said = reported_limits(headers, message)
    assert said.reset_seconds >= 0
    for allowance in (said.requests, said.tokens):
        assert allowance.limit is None or allowance.limit > 0
        assert allowance.remaining is None or 0 <= allowance.remaining <= (allowance.limit or 0)
