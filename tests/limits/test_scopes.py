"""A call counts in the scopes of its key, project, end user and everybody, and in its UTC day and month."""

from datetime import UTC, datetime

import pytest

from tidegate.core.values import Caller, Limits
from tidegate.limits.scopes import Scope, Terms, period_of, readmitted, scopes_of
from tidegate.metering.ledger.entries import LONGEST_TEXT

NONE = Limits()
CALLER = Caller(
    key_id="449",
    project="shop",
    name="backend",
    limits=Limits(rpm=10),
    project_limits=Limits(tpm=100, concurrency=3),
    user_limits=Limits(budget_day=5, rpd=7),
)


def test_all_limits_have_their_scope() -> None:
    scopes = scopes_of(CALLER, "ann", Limits(budget_month=9))
    assert scopes.names == tuple(scope.n for scope in scopes.limiting)
    assert scopes.limiting == (
        Scope(n="key/449", rpm=10),
        Scope(n="project/shop", tpm=100, cc=3),
        Scope(n="user/shop/ann", bd=5, rpd=7),
        Scope(n="all", bm=9),
    )


@pytest.mark.parametrize("end_user", [None, ""])
def test_without_an_end_user_there_is_no_scope_for_one(end_user: str | None) -> None:
    assert scopes_of(CALLER, end_user, NONE).names == ("key/449", "project/shop", "all")


def test_what_limits_nothing_is_counted_in_and_not_looked_at() -> None:
    scopes = scopes_of(Caller(key_id="449", project="shop", name="x", project_limits=Limits(rpm=0)), None, NONE)
    assert scopes.names == ("key/449", "project/shop", "all")
    assert scopes.limiting == (Scope(n="project/shop", rpm=0),)
    assert not scopes.spend


def test_an_end_user_without_limits_is_not_counted() -> None:
    caller = Caller(key_id="449", project="shop", name="backend")
    assert scopes_of(caller, "ann", NONE).names == ("key/449", "project/shop", "all")


@pytest.mark.parametrize(
    ("name", "kept"), [("x" * 1000, "x" * LONGEST_TEXT), ("a\0b", "ab"), ("\udc80", "?"), ("é/ü", "é/ü")]
)
def test_an_end_user_has_the_name_that_the_ledger_keeps(name: str, kept: str) -> None:
    assert scopes_of(CALLER, name, NONE).names[2] == f"user/shop/{kept}"


@pytest.mark.parametrize(
    ("scope", "spends"),
    [(Scope(n="a"), False), (Scope(n="a", rpm=1, rpd=1, cc=1), False), (Scope(n="a", tpm=1), True),
     (Scope(n="a", bd=0), True), (Scope(n="a", bm=1), True)],
)  # fmt: skip
def test_what_spends(scope: Scope, spends: bool) -> None:  # a case
    assert scope.spends is spends


@pytest.mark.parametrize(
    ("moment", "day", "month", "midnight", "month_end"),
    [
        ("2026-11-30T23:59:59", "2026-11-30", "2026-11", "2026-12-01", "2026-12-01"),
        ("2026-12-01T00:00:00", "2026-12-01", "2026-12", "2026-12-02", "2027-01-01"),
        ("2028-02-28T12:00:00", "2028-02-28", "2028-02", "2028-02-29", "2028-03-01"),
        ("2027-01-31T00:00:01", "2027-01-31", "2027-01", "2027-02-01", "2027-02-01"),
    ],
)
def test_days_and_months_are_utc(moment: str, day: str, month: str, midnight: str, month_end: str) -> None:
    period = period_of(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())
    assert (period.day, period.month) == (day, month)
    ends = [datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%d") for end in (period.midnight, period.month_end)]
    assert ends == [midnight, month_end]


def test_asking_once_more_is_no_other_request() -> None:
    terms = Terms(
        p="{t}", id="r", d="d", m="m", midnight=1.0, month_end=2.0, k=1, c=2, lease=3.0, n=("key/449",),
        scopes=(Scope(n="key/449", rpm=1, rpd=2, tpm=3, cc=4, bd=5, bm=6),),
    )  # fmt: skip
    again = readmitted(terms)
    assert (again.id, again.scopes) == ("r", (Scope(n="key/449", tpm=3, cc=4, bd=5, bm=6),))
    other = readmitted(terms, name="r-again")
    assert (other.id, other.scopes) == ("r-again", (Scope(n="key/449", tpm=3, bd=5, bm=6),))
