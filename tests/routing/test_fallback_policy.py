"""Each failure is followed by the step that the plan, the taxonomy and the standings allow, in one order."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core import errors
from tidegate.core.errors import TidegateError
from tidegate.providers.base import Credential
from tidegate.providers.target import Target
from tidegate.routing.fallback_policy import (
    BESIDE_ANOTHER,
    Again,
    Ask,
    Canned,
    Fail,
    Moment,
    Rung,
    Stale,
    Standings,
    Step,
    Walk,
    next_step,
)
from tidegate.routing.health import circuit_breaker, credential_state
from tidegate.routing.health.circuit_breaker import BreakerState
from tidegate.routing.health.credential_state import HEALTHY, CredentialState
from tidegate.routing.plan import ALL, Plan, Rungs
from tidegate.routing.plan import Canned as Reply

NOW = 1000.0
A, B = Target("openai", "gpt-4o"), Target("azure", "gpt-4o-eu")
ONE, TWO, AZURE = Credential(name="one"), Credential(name="two"), Credential(name="main")
DOWN = circuit_breaker.opened(errors.ServerFailure("Broken."), NOW - 60)
EMPTY = credential_state.after_error(HEALTHY, errors.OutOfQuota("No credit."), NOW)
INVALID = credential_state.after_error(HEALTHY, errors.InvalidUpstreamKey("Bad key."), NOW)
ERRORS = [
    errors.ServerFailure(), errors.Overloaded(retry_after=1.0), errors.ConnectionFailed(), errors.FirstByteTimeout(),
    errors.TruncatedStream(), errors.InvalidUpstreamKey(), errors.OutOfQuota(), errors.UpstreamForbidden(),
    errors.ModelNotFound(), errors.RateLimited(retry_after=0.5), errors.SlowDown(), errors.QueueTimeout(),
    errors.UpstreamRejected(), errors.ContextLengthExceeded(), errors.ContentPolicy(), errors.TotalTimeout(),
    errors.RequestTooLargeForLimit(), errors.AnswerTooLarge(), errors.ParameterNotTaken(),
]  # fmt: skip


def walk(*targets: Target, rungs: Rungs = ALL, canned: bool = True) -> Walk:
    plan = Plan(model="m", targets=targets or (A, B), rungs=rungs, canned=Reply(text="Later.") if canned else None)
    return Walk(plan=plan, credentials={"openai": (ONE, TWO), "azure": (AZURE,)})


def moment(
    breakers: dict[str, BreakerState] | None = None,
    standing: dict[str, CredentialState] | None = None,
    **fields: Any,
) -> Moment:
    standings = Standings(breakers=breakers or {}, credentials=standing or {})
    usual = {"now": NOW, "deadline": NOW + 60, "most_retries": 1, "may_retry": True, "draw": 0.5}
    return Moment(**{**usual, "standings": standings, **fields})


def after(start: Walk, *failures: TidegateError, at: Moment | None = None) -> Step:
    """The step after each of these failed in turn."""
    at = at or moment()
    step = next_step(start, at)
    for error in failures:
        if isinstance(step, Again):
            start, step = start.waited(), next_step(start.waited(), at)
        assert isinstance(step, Ask), step
        start = start.failed(step, error)
        step = next_step(start, at)
    return step


def shown(step: Step) -> str:
    match step:
        case Ask():
            return f"{step.rung.value} {step.lane}"
        case Fail():
            return f"fail {step.error.name}"
    return type(step).__name__.lower()


def test_the_first_target_is_asked_with_its_first_credential() -> None:
    assert shown(next_step(walk(), moment())) == "first openai/one/gpt-4o"


@pytest.mark.parametrize(
    ("failures", "step"),
    [
        ([errors.ServerFailure()], "again openai/one/gpt-4o"),
        ([errors.ServerFailure(), errors.ServerFailure()], "target azure/main/gpt-4o-eu"),
        ([errors.FirstByteTimeout()], "target azure/main/gpt-4o-eu"),
        ([errors.StreamIdle()], "target azure/main/gpt-4o-eu"),
        ([errors.ConnectionFailed()], "again openai/one/gpt-4o"),
        ([errors.InvalidUpstreamKey()], "credential openai/two/gpt-4o"),
        ([errors.OutOfQuota()], "credential openai/two/gpt-4o"),
        ([errors.OutOfQuota(), errors.OutOfQuota()], "target azure/main/gpt-4o-eu"),
        ([errors.OutOfQuota(), errors.ServerFailure()], "again openai/two/gpt-4o"),
        ([errors.UpstreamForbidden()], "credential openai/two/gpt-4o"),
        ([errors.RateLimited(retry_after=0.5)], "credential openai/two/gpt-4o"),
        ([errors.RateLimited(retry_after=0.5)] * 2, "again"),
        ([errors.RateLimited(retry_after=30.0)] * 2, "target azure/main/gpt-4o-eu"),
        ([errors.QueueTimeout()], "credential openai/two/gpt-4o"),
        ([errors.UpstreamRejected()], "fail rejected"),
        ([errors.ContextLengthExceeded()], "fail context_length"),
        ([errors.ContentPolicy()], "fail content_policy"),
        ([errors.RequestTooLargeForLimit()], "fail request_too_large"),
        ([errors.AnswerTooLarge()], "fail answer_too_large"),
        ([errors.TotalTimeout()], "stale"),
        ([errors.OutOfQuota()] * 3, "stale"),
        ([errors.ServerFailure()] * 4, "stale"),
    ],
)
def test_each_failure_has_its_next_step(failures: list[TidegateError], step: str) -> None:
    assert shown(after(walk(), *failures)) == step


@pytest.mark.parametrize(
    ("named", "tried"),
    [
        ((), ["one", "two"]),
        (("two",), ["two"]),
        (("two", "one"), ["two", "one"]),
        (("gone", "one"), ["one"]),
    ],
)
def test_a_target_is_asked_with_the_credentials_that_it_names(named: tuple[str, ...], tried: list[str]) -> None:
    here, at = walk(Target("openai", "gpt-4o", named)), moment(most_retries=0)
    seen = []
    while isinstance(step := next_step(here, at), Ask):
        seen.append(step.credential.name)
        here = here.failed(step, errors.OutOfQuota())
    assert seen == tried


def test_without_money_for_another_attempt_only_what_is_free_is_left() -> None:
    broke, cut = walk().without_money(), errors.TruncatedStream()
    steps = (broke, broke.without_stale(), broke.without_stale().without_canned())
    assert [shown(after(step, cut)) for step in steps] == ["stale", "canned", "fail truncated"]


def test_what_nobody_serves_is_no_outage() -> None:
    assert shown(after(walk(), *[errors.ModelNotFound()] * 3)) == "fail model_not_found"


@pytest.mark.parametrize(
    ("rungs", "steps"),
    [
        ({}, ["stale", "canned"]),
        ({"stale": False}, ["canned"]),
        ({"canned": False}, ["stale", "fail server_error"]),
        ({"stale": False, "canned": False}, ["fail server_error"]),
    ],
)
def test_at_the_end_stand_the_stale_answer_the_canned_reply_and_the_error(
    rungs: dict[str, bool], steps: list[str]
) -> None:
    start = walk(A, rungs=Rungs(**rungs))
    at = moment(most_retries=0)
    ask = next_step(start, at)
    assert isinstance(ask, Ask)
    start = start.failed(ask, errors.ServerFailure())
    seen = [shown(next_step(start, at))]
    if seen == ["stale"]:
        seen.append(shown(next_step(start.without_stale(), at)))
    assert seen == steps


@pytest.mark.parametrize(
    ("rungs", "failure", "step"),
    [
        (Rungs(credentials=False), errors.OutOfQuota(), "target azure/main/gpt-4o-eu"),
        (Rungs(targets=False), errors.FirstByteTimeout(), "stale"),
        (Rungs(credentials=False, targets=False, stale=False, canned=False), errors.OutOfQuota(), "fail out_of_quota"),
    ],
)
def test_a_rung_that_is_off_is_skipped(rungs: Rungs, failure: TidegateError, step: str) -> None:
    assert shown(after(walk(rungs=rungs), failure)) == step


@pytest.mark.parametrize(
    ("fields", "step"),
    [
        ({"may_retry": False}, "target azure/main/gpt-4o-eu"),
        ({"most_retries": 0}, "target azure/main/gpt-4o-eu"),
        ({"deadline": NOW}, "target azure/main/gpt-4o-eu"),
        ({"breakers": {A.name: DOWN}}, "target azure/main/gpt-4o-eu"),
        ({"breakers": {B.name: DOWN}}, "again openai/one/gpt-4o"),
        ({"breakers": {B.name: DOWN}, "may_retry": False}, "stale"),
    ],
)
def test_the_same_target_is_asked_again_where_budget_time_and_breaker_allow(fields: dict[str, Any], step: str) -> None:
    start = walk()
    ask = next_step(start, moment())
    assert isinstance(ask, Ask)
    assert shown(next_step(start.failed(ask, errors.ServerFailure()), moment(**fields))) == step


def test_the_upstreams_own_wait_is_obeyed_but_not_where_another_can_answer_meanwhile() -> None:
    again = after(walk(), errors.Overloaded(retry_after=1.5))
    assert isinstance(again, Ask)
    assert again.after == 1.5
    assert shown(after(walk(), errors.Overloaded(retry_after=30.0))) == "target azure/main/gpt-4o-eu"
    alone = after(walk(A), errors.Overloaded(retry_after=30.0))
    assert isinstance(alone, Ask)
    assert alone.after == 30.0
    assert shown(after(walk(A), errors.Overloaded(retry_after=61.0))) == "stale"


@pytest.mark.parametrize(
    ("breakers", "standing", "step"),
    [
        ({A.name: DOWN}, {}, "first azure/main/gpt-4o-eu"),
        ({A.name: DOWN, B.name: DOWN}, {}, "stale"),
        ({}, {"openai/one": INVALID}, "first openai/two/gpt-4o"),
        ({}, {"openai/one": INVALID, "openai/two": EMPTY}, "first azure/main/gpt-4o-eu"),
        ({}, {"openai/one/gpt-4o": credential_state.limited(errors.RateLimited(), NOW)}, "first openai/two/gpt-4o"),
        (
            {},
            {
                "openai/one/gpt-4o": credential_state.limited(errors.RateLimited(retry_after=9.0), NOW),
                "openai/two/gpt-4o": credential_state.limited(errors.RateLimited(retry_after=5.0), NOW),
            },
            "first openai/two/gpt-4o",
        ),
        ({}, {"openai/one/other": credential_state.limited(errors.RateLimited(), NOW)}, "first openai/one/gpt-4o"),
    ],
    ids=["target down", "all down", "bad key", "no credential", "limited", "both limited", "limited elsewhere"],
)
def test_what_is_known_to_fail_is_not_asked_at_all(
    breakers: dict[str, BreakerState], standing: dict[str, CredentialState], step: str
) -> None:
    assert shown(next_step(walk(), moment(breakers, standing))) == step


@pytest.mark.parametrize(
    ("busy", "step"),
    [
        ({"openai/one/gpt-4o": NOW + 2}, "first openai/two/gpt-4o"),
        ({"openai/one/gpt-4o": NOW + 2, "openai/two/gpt-4o": NOW + 1}, "first openai/two/gpt-4o"),
        ({"openai/one/gpt-4o": NOW + 1, "openai/two/gpt-4o": NOW + 2}, "first openai/one/gpt-4o"),
        ({"openai/one/gpt-4o": NOW}, "first openai/one/gpt-4o"),
    ],
)
def test_where_calls_wait_already_another_credential_is_the_better_choice(busy: dict[str, float], step: str) -> None:
    standings = Standings(busy=busy)
    at = msgspec.structs.replace(moment(), standings=standings)
    assert shown(next_step(walk(A), at)) == step


def test_one_call_tries_a_target_that_may_be_back_and_the_others_pass_it_by() -> None:
    at = moment({A.name: circuit_breaker.probed(DOWN)})
    step = next_step(walk(), at)
    assert isinstance(step, Ask)
    assert (shown(step), step.claim) == ("first openai/one/gpt-4o", "trial openai/gpt-4o")
    assert shown(next_step(walk().passing(step.claim), at)) == "first azure/main/gpt-4o-eu"


def test_one_call_tries_an_account_that_may_have_credit_again() -> None:
    at = moment(standing={"openai/one": EMPTY, "openai/two": INVALID}, now=NOW + 600, deadline=NOW + 700)
    step = next_step(walk(), at)
    assert isinstance(step, Ask)
    assert (shown(step), step.claim) == ("first openai/one/gpt-4o", "quota openai/one")
    assert shown(next_step(walk().passing(step.claim), at)) == "first azure/main/gpt-4o-eu"


def test_while_another_target_could_answer_a_call_does_not_wait_long_for_room_at_the_first() -> None:
    first = next_step(walk(), moment())
    assert isinstance(first, Ask)
    assert first.patience == BESIDE_ANOTHER
    last = after(walk(), errors.FirstByteTimeout())
    assert isinstance(last, Ask)
    assert last.patience is None
    beside = next_step(walk(A), moment())
    assert isinstance(beside, Ask)
    assert beside.patience == BESIDE_ANOTHER
    alone = next_step(walk(A), moment(standing={"openai/two": EMPTY}))
    assert isinstance(alone, Ask)
    assert alone.patience is None


def test_where_all_are_busy_the_call_waits_at_the_first_as_long_as_it_may() -> None:
    start = walk(Target("azure", "x"), B)
    back = after(start, errors.QueueTimeout(), errors.QueueTimeout())
    assert isinstance(back, Ask)
    assert (shown(back), back.patience) == ("again azure/main/x", None)
    assert shown(after(start, *[errors.QueueTimeout()] * 3)) == "stale"


@pytest.mark.parametrize(
    ("breakers", "standing", "name", "wait"),
    [
        ({A.name: DOWN}, {}, "target_down", 2.0),
        ({}, {"openai/one": INVALID, "openai/two": EMPTY}, "invalid_upstream_key", None),
        ({}, {"openai/one": credential_state.suspended(NOW), "openai/two": EMPTY}, "out_of_quota", None),
        ({}, {f"openai/{name}": credential_state.suspended(NOW) for name in ("one", "two")}, "target_down", None),
    ],
)
def test_who_cannot_be_asked_at_all_is_told_why(
    breakers: dict[str, BreakerState], standing: dict[str, CredentialState], name: str, wait: float | None
) -> None:
    step = next_step(walk(A, canned=False).without_stale(), moment(breakers, standing))
    assert isinstance(step, Fail)
    assert (step.error.name, step.error.retry_after) == (name, wait)


def test_of_several_errors_the_caller_is_told_the_most_hopeful() -> None:
    start, at = walk(canned=False, rungs=Rungs(stale=False)), moment(deadline=NOW)
    failures = [errors.RateLimited(retry_after=20.0), errors.OutOfQuota(), errors.Overloaded(retry_after=3.0)]
    step = after(start, *failures, at=at)
    assert isinstance(step, Fail)
    assert (step.error.name, step.error.retry_after) == ("overloaded", 3.0)


@given(
    st.lists(st.sampled_from(ERRORS), min_size=60, max_size=60),
    st.booleans(),
    st.integers(0, 3),
    st.tuples(*[st.booleans()] * 4),
)
def test_whatever_fails_a_call_comes_to_its_end(
    failures: list[TidegateError], may_retry: bool, most_retries: int, rungs: tuple[bool, bool, bool, bool]
) -> None:
    allowed = Rungs(credentials=rungs[0], targets=rungs[1], stale=rungs[2], canned=rungs[3])
    here, at = walk(rungs=allowed), moment(may_retry=may_retry, most_retries=most_retries)
    turns, asked = 5, []
    for error in failures:
        step = next_step(here, at)
        if isinstance(step, Again):
            turns -= 1
            here = here.waited() if turns < 0 else msgspec.structs.replace(here, tried=(*here.tried, here.tried[-1]))
        elif isinstance(step, Ask):
            asked.append(step)
            here = here.failed(step, error)
        elif isinstance(step, Stale):
            assert allowed.stale
            here = here.without_stale()
        elif isinstance(step, Canned):
            assert allowed.canned
            here = here.without_canned()
        else:
            break
    else:
        raise AssertionError("it went on and on")
    if not allowed.targets:
        assert {step.target for step in asked} <= {A}
    if not allowed.credentials:
        assert TWO not in {step.credential for step in asked}
    again = [step for step in asked if step.rung is Rung.AGAIN and step.patience is None and step.after > 0]
    assert may_retry or not again
