"""The ledger's day stands beside the provider's report, with the difference and what may explain it."""

from decimal import Decimal

import msgspec
import pytest

from tidegate.metering.cost_comparison import CostDrift, CostPage, LedgerDay, compare_costs

START = 1_764_374_400


def report(*amounts: tuple[str, str], start: int = START) -> CostPage:
    """Return a page of the report, as OpenAI sends it."""
    results = [
        {"object": "organization.costs.result", "amount": {"value": float(value), "currency": "usd"}, "api_key_id": key}
        for key, value in amounts
    ]
    page = {
        "object": "page",
        "data": [{"object": "bucket", "start_time": start, "results": results}],
        "has_more": False,
    }
    return msgspec.json.decode(msgspec.json.encode(page), type=CostPage, strict=False)


def drift(ledger: LedgerDay, *pages: CostPage) -> CostDrift:
    return compare_costs("2025-11-29", START, ledger, pages)


def test_pages_are_summed_and_other_days_are_not() -> None:
    found = drift(
        LedgerDay(cost_nanos=10**9),
        report(("key_a", "0.5"), ("key_b", "0.25")), report(("key_a", "0.25")),
        report(("key_a", "9"), start=START + 86_400),
    )  # fmt: skip
    assert (found.provider_nanos, found.difference_nanos, found.is_close) == (10**9, 0, True)
    assert found.by_api_key == {"key_a": 750_000_000, "key_b": 250_000_000}


@pytest.mark.parametrize(
    ("ledger", "provider", "close"),
    [
        (98, "0.100", True),
        (102, "0.100", True),
        (97, "0.100", False),
        (103, "0.100", False),
        (0, "0", True),
        (1, "0", False),
    ],
)
def test_two_percent_are_close(ledger: int, provider: str, close: bool) -> None:
    assert drift(LedgerDay(cost_nanos=ledger * 10**6), report(("k", provider))).is_close is close


@pytest.mark.parametrize(
    ("ledger", "amounts", "words"),
    [
        (LedgerDay(unpriced=3), [("k", "1")], "3 calls have no price"),
        (LedgerDay(lost=2, lost_nanos=5 * 10**9), [("k", "1")], "$5.00"),
        (LedgerDay(estimated=4, estimated_nanos=10**9), [("k", "1")], "4 calls broke off"),
        (LedgerDay(fee_nanos=25 * 10**7), [("k", "1")], "$0.25 of the ledger are fees"),
        (LedgerDay(), [("k", "1"), ("other", "1")], "--api-key-id"),
        (LedgerDay(), [("k", "1")], "outside of the gateway"),
        (LedgerDay(cost_nanos=10**10), [("k", "1")], "may lag"),
    ],
)
def test_what_explains_the_difference(ledger: LedgerDay, amounts: list[tuple[str, str]], words: str) -> None:
    assert words in " ".join(drift(ledger, report(*amounts)).explanations)


def test_a_ledger_that_agrees_needs_no_explanation() -> None:
    assert drift(LedgerDay(cost_nanos=10**9), report(("k", "1"))).explanations == ()


def test_an_amount_is_read_exactly() -> None:
    assert drift(LedgerDay(), report(("k", str(Decimal("0.06"))))).provider_nanos == 60_000_000
