"""A request counts in the scopes of its key, project, end user and the deployment, and in its UTC day and month."""

from datetime import UTC, datetime

import msgspec
import pytest

from tidegate.core.tags import Tag
from tidegate.core.values import Caller, Limits
from tidegate.limits.budget_calendar import period_of
from tidegate.limits.scopes import LimitScope, Reservation, ScopeMemory, caller_scopes, without_request_count
from tidegate.metering.ledger.entries import MAX_TEXT_LENGTH

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
    scopes = caller_scopes(CALLER, "ann", Limits(budget_month=9))
    assert scopes.names == tuple(scope.name for scope in scopes.limiting)
    assert scopes.limiting == (
        LimitScope(name="key/449", rpm=10),
        LimitScope(name="project/shop", tpm=100, concurrency=3),
        LimitScope(name="user/shop/ann", budget_day=5, rpd=7),
        LimitScope(name="all", budget_month=9),
    )


TAGGED = Caller(
    key_id="449",
    project="a/b",
    name="backend",
    tag_limits={Tag("tenant", "acme"): Limits(budget_day=5), Tag("tenant", "*"): Limits(budget_month=7)},
)


@pytest.mark.parametrize(
    ("tags", "scopes"),
    [
        (None, ()),
        ({"feature": "search"}, ()),
        ({"feature": "search", "tenant": "acme"}, (LimitScope(name="tag/a%2Fb/tenant/acme", budget_day=5),)),
        ({"tenant": "x/y:z%"}, (LimitScope(name="tag/a%2Fb/tenant/x/y%3Az%25", budget_month=7),)),
        ({"Tenant": "acme"}, ()),
    ],
)
def test_a_tag_with_a_budget_has_a_scope_in_its_project(
    tags: dict[str, str] | None, scopes: tuple[LimitScope, ...]
) -> None:
    found = caller_scopes(TAGGED, None, NONE, tags)
    assert found.limiting == scopes
    assert found.names == ("key/449", "project/a/b", *(scope.name for scope in scopes), "all")


@pytest.mark.parametrize("end_user", [None, "ann"])
@pytest.mark.parametrize("tags", [None, {"tenant": "acme"}, {"tenant": "x"}])
@pytest.mark.parametrize("caller", [CALLER, TAGGED], ids=["end users", "tags"])
def test_scopes_that_are_kept_are_those_that_would_be_found(
    caller: Caller, tags: dict[str, str] | None, end_user: str | None
) -> None:
    memory = ScopeMemory(Limits(budget_month=9))
    found = [memory.of(caller, end_user, tags) for _ in range(3)]
    assert found == [caller_scopes(caller, end_user, Limits(budget_month=9), tags)] * 3


def test_no_stale_limit_is_applied_once_a_key_has_changed() -> None:
    memory = ScopeMemory(NONE)
    assert memory.of(CALLER, None).limiting[0] == LimitScope(name="key/449", rpm=10)

    changed = msgspec.structs.replace(CALLER, limits=Limits(rpm=1))
    assert memory.of(changed, None).limiting[0] == LimitScope(name="key/449", rpm=1)


def test_the_scopes_of_few_callers_are_kept() -> None:
    memory = ScopeMemory(NONE, size=2)
    callers = [Caller(key_id=str(number), project="shop", name="") for number in range(3)]
    first, *_ = [memory.of(caller, None) for caller in callers]

    assert memory.of(callers[0], None) == first
    assert memory.of(callers[0], None) is not first


@pytest.mark.parametrize("end_user", [None, ""])
def test_without_an_end_user_there_is_no_scope_for_one(end_user: str | None) -> None:
    assert caller_scopes(CALLER, end_user, NONE).names == ("key/449", "project/shop", "all")


def test_a_scope_without_limits_is_charged_and_not_checked() -> None:
    scopes = caller_scopes(Caller(key_id="449", project="shop", name="x", project_limits=Limits(rpm=0)), None, NONE)
    assert scopes.names == ("key/449", "project/shop", "all")
    assert scopes.limiting == (LimitScope(name="project/shop", rpm=0),)
    assert not scopes.limit_spending


def test_an_end_user_without_limits_is_not_counted() -> None:
    caller = Caller(key_id="449", project="shop", name="backend")
    assert caller_scopes(caller, "ann", NONE).names == ("key/449", "project/shop", "all")


@pytest.mark.parametrize(
    ("name", "kept"), [("x" * 1000, "x" * MAX_TEXT_LENGTH), ("a\0b", "ab"), ("\udc80", "?"), ("é/ü", "é/ü")]
)
def test_an_end_user_has_the_name_that_the_ledger_keeps(name: str, kept: str) -> None:
    assert caller_scopes(CALLER, name, NONE).names[2] == f"user/shop/{kept}"


@pytest.mark.parametrize(
    ("scope", "spends"),
    [
        (LimitScope(name="a"), False),
        (LimitScope(name="a", rpm=1, rpd=1, concurrency=1), False),
        (LimitScope(name="a", tpm=1), True),
        (LimitScope(name="a", budget_day=0), True),
        (LimitScope(name="a", budget_month=1), True),
    ],
)
def test_a_scope_spends_if_it_limits_cost_or_tokens(scope: LimitScope, spends: bool) -> None:  # a case
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
    terms = Reservation(
        prefix="{t}",
        id="r",
        day="d",
        month="m",
        midnight=1.0,
        month_end=2.0,
        tokens=1,
        cost_nanos=2,
        lease_seconds=3.0,
        scope_names=("key/449",),
        scopes=(LimitScope(name="key/449", rpm=1, rpd=2, tpm=3, concurrency=4, budget_day=5, budget_month=6),),
    )
    again = without_request_count(terms)
    assert (again.id, again.scopes) == (
        "r",
        (LimitScope(name="key/449", tpm=3, concurrency=4, budget_day=5, budget_month=6),),
    )
    other = without_request_count(terms, name="r-again")
    assert (other.id, other.scopes) == ("r-again", (LimitScope(name="key/449", tpm=3, budget_day=5, budget_month=6),))
