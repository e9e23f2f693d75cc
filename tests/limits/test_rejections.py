"""A rejection says whose limit it is, which one, how much is used, and when to try again."""

from typing import Any

import pytest

from tests.limits.script_parts import NOON
from tidegate.core.errors import BudgetExceeded, BudgetReserved, CallerRateLimited, RequestExceedsLimit, TidegateError
from tidegate.limits.decision import LimitRejection
from tidegate.limits.rejections import format_usd, rejection_error, scope_label
from tidegate.web import envelope

CENT = 10_000_000


def refused(what: str, parameter: str = "", **fields: Any) -> TidegateError:
    given: dict[str, Any] = {"scope": "key/449", "limit": 10, "used": 10, "requested": 1, "wait": 6.0, **fields}
    return rejection_error(LimitRejection(kind=what, **given), now=NOON, output_parameter=parameter)


@pytest.mark.parametrize(
    ("what", "fields", "message"),
    [
        (
            "requests",
            {},
            "this API key on requests per min (RPM): Limit 10, Used 10, Requested 1. Please try again in 6s.",
        ),
        (
            "tokens",
            {"scope": "project/shop", "wait": 0.0204, "limit": 5000, "used": 4990.4, "requested": 12},
            "project shop on tokens per min (TPM): Limit 5000, Used 4990, Requested 12. Please try again in 21ms.",
        ),
        (
            "day",
            {"scope": "user/shop/a/b", "wait": 43200.0},
            "end user a/b on requests per day (RPD): Limit 10, Used 10, Requested 1. Please try again in 12h0m0s.",
        ),
        (
            "concurrency",
            {"scope": "all", "wait": 1.0},
            "the whole gateway on calls in flight: Limit 10, Used 10, Requested 1. Please try again in 1s.",
        ),
    ],
)
def test_a_rejection_states_the_limits_figures(what: str, fields: dict[str, Any], message: str) -> None:
    error = refused(what, **fields)
    assert isinstance(error, CallerRateLimited)
    assert error.message == f"Rate limit reached for {message}"
    assert error.retry_after == fields.get("wait", 6.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0001, "1ms"), (8.64, "8.64s"), (8.6401, "8.641s"), (59.9999, "60s"), (431.2, "7m12s")]
)
def test_a_wait_is_never_stated_too_short(seconds: float, text: str) -> None:
    assert refused("requests", wait=seconds).message.endswith(f"in {text}.")


@pytest.mark.parametrize(("what", "kind"), [("too_large", "tokens"), ("requests", "requests"), ("day", "requests")])
def test_a_request_that_never_fits_is_too_large(what: str, kind: str) -> None:
    error = refused(what, wait=None, used=0)
    assert isinstance(error, RequestExceedsLimit)
    assert "Limit 10, Used 0, Requested 1." in error.message
    assert (error.kind, error.retryable) == (kind, False)


def test_an_exceeded_budget_states_its_renewal() -> None:
    error = refused("budget", scope="project/shop", limit=100 * CENT, used=99 * CENT, requested=2 * CENT, wait=43200.0)
    assert isinstance(error, BudgetExceeded)
    assert error.message == (
        "The budget of project shop, $1.00, leaves no room for this request, which may cost up to $0.02: "
        "$0.99 is spent. It is renewed at 2026-11-28T00:00:00Z."
    )
    assert not error.retryable


@pytest.mark.parametrize(
    ("parameter", "advice"), [("max_tokens", "Ask for less, with `max_tokens`."), ("", "Send a shorter input.")]
)
def test_a_budget_that_is_smaller_than_the_call_is_not_worth_waiting_for(parameter: str, advice: str) -> None:
    error = refused("budget", parameter, limit=CENT, used=0, requested=2 * CENT, wait=None)
    assert isinstance(error, BudgetExceeded)
    assert error.message.endswith(f"which may cost up to $0.02, more than all of it. {advice}")


def test_a_reserved_budget_may_come_back() -> None:
    error = refused("budget_held", limit=CENT, used=CENT - 1, requested=2, wait=1.0)
    assert isinstance(error, BudgetReserved)
    assert "$0.009999999 is spent or reserved by requests in progress" in error.message
    assert (error.retryable, error.retry_after) == (True, 1.0)


@pytest.mark.parametrize(
    ("nanos", "text"), [(0, "$0.00"), (1, "$0.000000001"), (1_500_000_000, "$1.50"), (12_345_678_901, "$12.345678901")]
)
def test_money_is_written_exactly(nanos: int, text: str) -> None:
    assert format_usd(nanos) == text


def test_scopes_have_labels() -> None:
    scopes = ("key/449", "project/a b", "user/p/u", "all", "tag/p%2Fq/tenant/a/b%3A")
    assert [scope_label(scope) for scope in scopes] == [
        "this API key", "project a b", "end user u", "the whole gateway", "tag tenant=a/b:",
    ]  # fmt: skip


def told(error: TidegateError) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in envelope.headers_of(error)}


def test_clients_get_the_headers_that_they_obey() -> None:
    error = refused("tokens", limit=5000, wait=0.0204)
    assert (envelope.status_of(error), envelope.error_object(error)["type"]) == (429, "tokens")
    assert envelope.error_object(error)["code"] == "rate_limit_exceeded"
    assert told(error) == {
        "x-should-retry": "true", "x-tidegate-error": "rate_limit_exceeded", "retry-after": "1", "retry-after-ms": "21",
        "x-ratelimit-limit-tokens": "5000", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "0.020s",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("what", "wait", "kind", "retry"),
    [("budget", 60.0, "insufficient_quota", "false"), ("budget_held", 1.0, "insufficient_quota", "true"),
     ("too_large", None, "tokens", "false"), ("requests", None, "requests", "false"),
     ("concurrency", 1.0, "requests", "true")],
)  # fmt: skip
def test_whether_to_try_again(what: str, wait: float | None, kind: str, retry: str) -> None:
    error = refused(what, wait=wait)
    assert (envelope.status_of(error), envelope.error_object(error)["type"]) == (429, kind)
    assert told(error)["x-should-retry"] == retry
    assert ("retry-after" in told(error)) is (retry == "true")
    assert not [name for name in told(error) if name.startswith("x-ratelimit")]
