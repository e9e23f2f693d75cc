"""Amounts are read exactly, to the nano-dollar; other texts are refused with an example."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.core.money import MAX_NANOS, NANOS, InvalidAmount, nanos_of, nanos_of_decimal
from tidegate.metering.reports.usage_report import usd


@pytest.mark.parametrize(
    ("text", "nanos"),
    [("1.00", NANOS), ("0.000001", 1_000), ("0", 0), ("0.000000001", 1), ("12", 12 * NANOS), ("9000000", MAX_NANOS)],
)
def test_an_amount_is_read_exactly(text: str, nanos: int) -> None:
    assert nanos_of(text) == nanos


@settings(deadline=None)
@given(st.integers(0, MAX_NANOS))
def test_what_is_shown_can_be_read_again(nanos: int) -> None:
    assert nanos_of(usd(nanos)) == nanos


@pytest.mark.parametrize(
    "text", ["", "$1", "1,00", "1e3", "-1", "+1", ".5", "1.", "nan", "0.0000000001", "1 ", "\u0661", "9000000.01"]
)
def test_anything_else_is_no_money(text: str) -> None:
    with pytest.raises(InvalidAmount, match="dollars"):
        nanos_of(text)


def test_a_setting_is_cut_to_whole_nanos() -> None:
    assert nanos_of_decimal(Decimal("0.1000000019")) == 100_000_001
