"""Limits on the command line: whole numbers, exact dollars, the word none, and plain errors."""

import pytest
import typer
from msgspec import UNSET

from tidegate.auth.grants import LimitsChange
from tidegate.cli.limit_options import limits_text, parse_limits, parse_models, parse_priority
from tidegate.core.values import Limits, Priority


@pytest.mark.parametrize(
    ("texts", "change"),
    [
        ({}, LimitsChange()),
        ({"rpm": None, "tpm": "0"}, LimitsChange(tpm=0)),
        ({"rpm": " 60 ", "rpd": "None"}, LimitsChange(rpm=60, rpd=None)),
        ({"budget_day": "1.00", "budget_month": "0.000001"}, LimitsChange(budget_day=10**9, budget_month=1_000)),
    ],
)
def test_only_given_options_change(texts: dict[str, str | None], change: LimitsChange) -> None:
    assert parse_limits("", **texts) == change


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"rpm": "many"}, "--user-rpm: 'many' must be a whole number"),
        ({"concurrency": "-1"}, "--user-concurrency"),
        ({"tpm": "1.5"}, "--user-tpm"),
        ({"rpd": "\u0661"}, "--user-rpd"),
        ({"rpd": "2147483648"}, "up to 2,147,483,647"),
        ({"budget_day": "$5"}, "--user-budget-day: '\\$5' is not an amount"),
        ({"budget_month": "1e3"}, 'write it like "1.00"'),
    ],
)
def test_an_error_names_the_option_and_the_remedy(texts: dict[str, str], message: str) -> None:
    with pytest.raises(typer.BadParameter, match=message):
        parse_limits("user-", **texts)


def test_a_priority_is_one_of_three_or_none() -> None:
    assert (parse_priority(None), parse_priority("HIGH "), parse_priority("none")) == (UNSET, Priority.HIGH, None)
    with pytest.raises(typer.BadParameter, match="high, normal, low"):
        parse_priority("urgent")


def test_models_are_separated_by_commas() -> None:
    assert (parse_models(None), parse_models("none"), parse_models("a, b,a")) == (UNSET, (), ("a", "b"))
    for wrong in ("", "a,,b", "a\x1b"):
        with pytest.raises(typer.BadParameter, match="commas"):
            parse_models(wrong)


def test_limits_are_shown_as_short_text() -> None:
    limits = Limits(rpm=60, tpm=10_000, concurrency=5, budget_day=10**9, budget_month=1)
    assert limits_text(limits) == "60 rpm, 10,000 tpm, 5 concurrent, $1.00/day, $0.000000001/month"
    assert limits_text(Limits()) == ""
