"""The account closes before its promise is spent, whatever was not audited, and opens with what it does not know."""

import msgspec
import pytest

from tidegate.cache.semantic.account import (
    MAX_PRICE,
    AccountChange,
    AccountFigures,
    Rules,
    audit_share,
    is_open,
    min_audit_share,
    price_of,
    risk_factor,
    verified_factor,
    with_change,
    wrong_bound,
)

_RULES = Rules(delta=0.01)


@pytest.mark.parametrize(
    ("requests", "wrong", "pending", "opened"),
    [
        (0, 0, 0, True),  # a young account may be wrong once
        (0, 1, 0, False),
        (500, 4, 0, True),
        (500, 5, 0, False),
        (1000, 9, 0, True),
        (1000, 9, 1, False),  # a verdict that has not come counts as wrong
        (1000, 10, 0, False),
        (100_000, 998, 0, True),
        (100_000, 1000, 0, False),
    ],
)
def test_the_account_is_open_only_while_one_more_error_fits(
    requests: int, wrong: int, pending: int, *, opened: bool
) -> None:
    figures = AccountFigures(requests=requests, audited_wrong=wrong, pending=pending)

    assert is_open(figures, _RULES) is opened


def test_what_was_not_audited_counts_by_the_larger_of_both_estimates() -> None:
    by_risk = AccountFigures(audited_wrong=1, unaudited_risk=5, sampled_wrong=1, sampled_variance=1)
    by_sample = AccountFigures(audited_wrong=1, unaudited_risk=2, sampled_wrong=4, sampled_variance=9)

    assert wrong_bound(by_risk) == 6
    assert wrong_bound(by_sample) == 1 + 4 + 2 * 3


@pytest.mark.parametrize(
    ("requests", "share"), [(100, 1.0), (1_600, 1.0), (3_334, 0.5), (10_000, 0.167), (50_000, 0.1)]
)
def test_a_young_account_audits_everything(requests: int, share: float) -> None:
    assert min_audit_share(AccountFigures(requests=requests), _RULES) == pytest.approx(share, abs=0.002)


def test_an_account_near_its_bound_audits_everything() -> None:
    assert min_audit_share(AccountFigures(requests=50_000, audited_wrong=449), _RULES) == 1.0


def test_a_risky_answer_is_audited_more_often() -> None:
    figures = AccountFigures(requests=50_000)

    assert audit_share(0.001, figures, _RULES, direct=False) == 0.1
    assert audit_share(0.01, figures, _RULES, direct=False) == 0.5
    assert audit_share(0.5, figures, _RULES, direct=False) == 1.0


def test_errors_beyond_the_expected_raise_every_risk() -> None:
    expected = AccountFigures(wrong=10, risk=10, verified_wrong=1, verified_doubt=20)
    worse = AccountFigures(wrong=30, risk=10, verified_wrong=10, verified_doubt=20)

    assert risk_factor(worse) > 2 * risk_factor(expected)
    assert verified_factor(worse) > 2 * verified_factor(expected)


def test_what_is_spent_lowers_the_price_of_risk_and_saving_raises_it() -> None:
    figures = AccountFigures(requests=2_000)
    spent = with_change(figures, AccountChange(audited_wrong=1, spent=1), _RULES)
    saved = with_change(figures, AccountChange(), _RULES)

    assert price_of(spent, _RULES) < _RULES.first_price < price_of(saved, _RULES)
    assert (spent.audited_wrong, figures.audited_wrong) == (1, 0)


def test_the_price_stays_within_its_bounds() -> None:
    dear = cheap = AccountFigures(requests=100_000)
    for _ in range(20_000):
        dear = with_change(dear, AccountChange(), _RULES)
    for _ in range(2_000):
        cheap = with_change(cheap, AccountChange(spent=10), _RULES)

    assert dear.price == MAX_PRICE
    assert cheap.price == pytest.approx(_RULES.delta / 3)


def test_every_sum_of_a_change_is_a_figure_of_the_account() -> None:
    sums = set(AccountChange.__struct_fields__) - {"spent"}

    assert sums <= set(AccountFigures.__struct_fields__)
    every = msgspec.structs.replace(AccountChange(), **dict.fromkeys(sums, 1))
    after = with_change(AccountFigures(), every, _RULES)
    assert all(getattr(after, name) == 1 for name in sums)
