"""A bucket refills evenly, holds no more than its limit, and states the exact wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.limits import token_bucket

NOW = 1_795_780_800.0


@pytest.mark.parametrize(
    ("full_at", "level"),
    [(0.0, 60.0), (NOW, 60.0), (NOW + 30, 30.0), (NOW + 60, 0.0), (NOW + 90, -30.0)],
)
def test_the_available_amount_follows_from_full_at(full_at: float, level: float) -> None:
    assert token_bucket.available(full_at, 60, NOW) == pytest.approx(level)


@pytest.mark.parametrize(
    ("full_at", "limit", "amount", "wait"),
    [
        (0.0, 60, 60, 0.0),
        (0.0, 60, 61, None),
        (0.0, 0, 0, None),
        (NOW + 30, 60, 30, 0.0),
        (NOW + 30, 60, 31, 1.0),
        (NOW + 60, 60, 60, 60.0),
        (NOW + 90, 60, 1, 31.0),
    ],
)
def test_the_wait(full_at: float, limit: int, amount: int, wait: float | None) -> None:
    assert token_bucket.seconds_until(full_at, limit, amount, NOW) == (None if wait is None else pytest.approx(wait))


@given(
    limit=st.integers(1, 10_000_000),
    missing=st.floats(0, 200),
    share=st.floats(0.0001, 1),
)
def test_an_amount_is_available_exactly_after_its_wait(limit: int, missing: float, share: float) -> None:
    full_at, amount = NOW + missing, max(1, int(limit * share))
    wait = token_bucket.seconds_until(full_at, limit, amount, NOW)
    assert wait is not None
    assert token_bucket.seconds_until(full_at, limit, amount, NOW + wait) == 0.0
    if wait > 0.01:
        assert token_bucket.seconds_until(full_at, limit, amount, NOW + wait - 0.001)


@given(limit=st.integers(1, 1000), amounts=st.lists(st.integers(1, 1000), max_size=30))
def test_returning_an_amount_undoes_taking_it(limit: int, amounts: list[int]) -> None:
    full_at = NOW
    for amount in amounts:
        full_at = token_bucket.full_at_after(full_at, limit, amount, NOW)
    for amount in amounts:
        full_at = token_bucket.full_at_after(full_at, limit, -amount, NOW)
    assert token_bucket.available(full_at, limit, NOW) == pytest.approx(limit)
