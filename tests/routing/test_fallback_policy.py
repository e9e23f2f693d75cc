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
    SHORT_WAIT_SECONDS,
    Fail,
    FallbackState,
    FallbackStep,
    GiveCanned,
    GiveStale,
    HealthSnapshot,
    RetrySameTarget,
    SendTo,
    Snapshot,
    Step,
    next_step,
)
from tidegate.routing.health import circuit_breaker, credential_state
from tidegate.routing.health.circuit_breaker import BreakerState
from tidegate.routing.health.credential_state import HEALTHY, CredentialState
from tidegate.routing.plan import ALL_STEPS, AllowedSteps, Plan
from tidegate.routing.plan import CannedReply as Reply

NOW = 1000.0
A, B = Target("openai", "gpt-4o"), Target("azure", "gpt-4o-eu")
ONE, TWO, AZURE = Credential(name="one"), Credential(name="two"), Credential(name="main")
DOWN = circuit_breaker.open_breaker(errors.UpstreamServerError("Broken."), NOW - 60)
EMPTY = credential_state.after_error(HEALTHY, errors.InsufficientQuota("No credit."), NOW)
INVALID = credential_state.after_error(HEALTHY, errors.InvalidUpstreamKey("Bad key."), NOW)
ERRORS = [
    errors.UpstreamServerError(),
    errors.UpstreamOverloaded(retry_after=1.0),
    errors.ConnectionFailed(),
    errors.FirstByteTimeout(),
    errors.TruncatedAnswer(),
    errors.InvalidUpstreamKey(),
    errors.InsufficientQuota(),
    errors.UpstreamForbidden(),
    errors.ModelNotFound(),
    errors.UpstreamRateLimited(retry_after=0.5),
    errors.SlowDown(),
    errors.QueueTimeout(),
    errors.UpstreamRejected(),
    errors.ContextLengthExceeded(),
    errors.ContentPolicyViolation(),
    errors.TotalTimeout(),
    errors.RequestExceedsUpstreamLimit(),
    errors.AnswerTooLarge(),
    errors.UnsupportedByTarget(),
    errors.RequestTooLargeForTarget(),
]


def walk(*targets: Target, rungs: AllowedSteps = ALL_STEPS, canned: bool = True) -> FallbackState:
    plan = Plan(
        model="m", targets=targets or (A, B), allowed_steps=rungs, canned=Reply(text="Later.") if canned else None
    )
    return FallbackState(plan=plan, credentials={"openai": (ONE, TWO), "azure": (AZURE,)})


def moment(
    breakers: dict[str, BreakerState] | None = None,
    standing: dict[str, CredentialState] | None = None,
    **fields: Any,
) -> Snapshot:
    standings = HealthSnapshot(breakers=breakers or {}, credentials=standing or {})
    usual = {"now": NOW, "deadline": NOW + 60, "max_retries": 1, "may_retry": True, "draw": 0.5}
    return Snapshot(**{**usual, "health": standings, **fields})


def after(start: FallbackState, *failures: TidegateError, at: Snapshot | None = None) -> Step:
    """The step after each of these failed in turn."""
    at = at or moment()
    step = next_step(start, at)
    for error in failures:
        if isinstance(step, RetrySameTarget):
            start, step = start.without_lane_wait(), next_step(start.without_lane_wait(), at)
        assert isinstance(step, SendTo), step
        start = start.with_failure(step, error)
        step = next_step(start, at)
    return step


_NAMES = {RetrySameTarget: "retry", GiveStale: "stale", GiveCanned: "canned"}


def shown(step: Step) -> str:
    match step:
        case SendTo():
            return f"{step.fallback_step.value} {step.lane}"
        case Fail():
            return f"fail {step.error.name}"
    return _NAMES[type(step)]


def test_the_first_target_is_asked_with_its_first_credential() -> None:
    assert shown(next_step(walk(), moment())) == "first openai/one/gpt-4o"


@pytest.mark.parametrize(
    ("failures", "step"),
    [
        ([errors.UpstreamServerError()], "retry openai/one/gpt-4o"),
        ([errors.UpstreamServerError(), errors.UpstreamServerError()], "target azure/main/gpt-4o-eu"),
        ([errors.FirstByteTimeout()], "target azure/main/gpt-4o-eu"),
        ([errors.IdleTimeout()], "target azure/main/gpt-4o-eu"),
        ([errors.ConnectionFailed()], "retry openai/one/gpt-4o"),
        ([errors.InvalidUpstreamKey()], "credential openai/two/gpt-4o"),
        ([errors.InsufficientQuota()], "credential openai/two/gpt-4o"),
        ([errors.InsufficientQuota(), errors.InsufficientQuota()], "target azure/main/gpt-4o-eu"),
        ([errors.InsufficientQuota(), errors.UpstreamServerError()], "retry openai/two/gpt-4o"),
        ([errors.UpstreamForbidden()], "credential openai/two/gpt-4o"),
        ([errors.RequestTooLargeForTarget()] * 2, "target azure/main/gpt-4o-eu"),
        ([errors.RequestTooLargeForTarget()] * 3, "fail request_too_large_for_target"),
        ([errors.UpstreamRateLimited(retry_after=0.5)], "credential openai/two/gpt-4o"),
        ([errors.UpstreamRateLimited(retry_after=0.5)] * 2, "retry"),
        ([errors.UpstreamRateLimited(retry_after=30.0)] * 2, "target azure/main/gpt-4o-eu"),
        ([errors.QueueTimeout()], "credential openai/two/gpt-4o"),
        ([errors.UpstreamRejected()], "fail upstream_rejected"),
        ([errors.ContextLengthExceeded()], "fail context_length_exceeded"),
        ([errors.ContentPolicyViolation()], "fail content_policy_violation"),
        ([errors.RequestExceedsUpstreamLimit()], "fail request_exceeds_upstream_limit"),
        ([errors.AnswerTooLarge()], "fail answer_too_large"),
        ([errors.TotalTimeout()], "stale"),
        ([errors.InsufficientQuota()] * 3, "stale"),
        ([errors.UpstreamServerError()] * 4, "stale"),
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
    here, at = walk(Target("openai", "gpt-4o", named)), moment(max_retries=0)
    seen = []
    while isinstance(step := next_step(here, at), SendTo):
        seen.append(step.credential.name)
        here = here.with_failure(step, errors.InsufficientQuota())
    assert seen == tried


def test_without_money_for_another_attempt_only_what_is_free_is_left() -> None:
    broke, cut = walk().without_budget(), errors.TruncatedAnswer()
    steps = (broke, broke.without_stale(), broke.without_stale().without_canned())
    assert [shown(after(step, cut)) for step in steps] == ["stale", "canned", "fail truncated_answer"]


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
    start = walk(A, rungs=AllowedSteps(**rungs))
    at = moment(max_retries=0)
    ask = next_step(start, at)
    assert isinstance(ask, SendTo)
    start = start.with_failure(ask, errors.UpstreamServerError())
    seen = [shown(next_step(start, at))]
    if seen == ["stale"]:
        seen.append(shown(next_step(start.without_stale(), at)))
    assert seen == steps


@pytest.mark.parametrize(
    ("rungs", "failure", "step"),
    [
        (AllowedSteps(credentials=False), errors.InsufficientQuota(), "target azure/main/gpt-4o-eu"),
        (AllowedSteps(targets=False), errors.FirstByteTimeout(), "stale"),
        (
            AllowedSteps(credentials=False, targets=False, stale=False, canned=False),
            errors.InsufficientQuota(),
            "fail insufficient_quota",
        ),
    ],
)
def test_a_rung_that_is_off_is_skipped(rungs: AllowedSteps, failure: TidegateError, step: str) -> None:
    assert shown(after(walk(rungs=rungs), failure)) == step


@pytest.mark.parametrize(
    ("fields", "step"),
    [
        ({"may_retry": False}, "target azure/main/gpt-4o-eu"),
        ({"max_retries": 0}, "target azure/main/gpt-4o-eu"),
        ({"deadline": NOW}, "target azure/main/gpt-4o-eu"),
        ({"breakers": {A.name: DOWN}}, "target azure/main/gpt-4o-eu"),
        ({"breakers": {B.name: DOWN}}, "retry openai/one/gpt-4o"),
        ({"breakers": {B.name: DOWN}, "may_retry": False}, "stale"),
    ],
)
def test_the_same_target_is_asked_again_where_budget_time_and_breaker_allow(fields: dict[str, Any], step: str) -> None:
    start = walk()
    ask = next_step(start, moment())
    assert isinstance(ask, SendTo)
    assert shown(next_step(start.with_failure(ask, errors.UpstreamServerError()), moment(**fields))) == step


def test_the_upstreams_own_wait_is_obeyed_but_not_where_another_can_answer_meanwhile() -> None:
    again = after(walk(), errors.UpstreamOverloaded(retry_after=1.5))
    assert isinstance(again, SendTo)
    assert again.delay_seconds == 1.5
    assert shown(after(walk(), errors.UpstreamOverloaded(retry_after=30.0))) == "target azure/main/gpt-4o-eu"
    alone = after(walk(A), errors.UpstreamOverloaded(retry_after=30.0))
    assert isinstance(alone, SendTo)
    assert alone.delay_seconds == 30.0
    assert shown(after(walk(A), errors.UpstreamOverloaded(retry_after=61.0))) == "stale"


@pytest.mark.parametrize(
    ("breakers", "standing", "step"),
    [
        ({A.name: DOWN}, {}, "first azure/main/gpt-4o-eu"),
        ({A.name: DOWN, B.name: DOWN}, {}, "stale"),
        ({}, {"openai/one": INVALID}, "first openai/two/gpt-4o"),
        ({}, {"openai/one": INVALID, "openai/two": EMPTY}, "first azure/main/gpt-4o-eu"),
        (
            {},
            {"openai/one/gpt-4o": credential_state.limited(errors.UpstreamRateLimited(), NOW)},
            "first openai/two/gpt-4o",
        ),
        (
            {},
            {
                "openai/one/gpt-4o": credential_state.limited(errors.UpstreamRateLimited(retry_after=9.0), NOW),
                "openai/two/gpt-4o": credential_state.limited(errors.UpstreamRateLimited(retry_after=5.0), NOW),
            },
            "first openai/two/gpt-4o",
        ),
        (
            {},
            {"openai/one/other": credential_state.limited(errors.UpstreamRateLimited(), NOW)},
            "first openai/one/gpt-4o",
        ),
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
    standings = HealthSnapshot(busy=busy)
    at = msgspec.structs.replace(moment(), health=standings)
    assert shown(next_step(walk(A), at)) == step


def test_one_call_tries_a_target_that_may_be_back_and_the_others_pass_it_by() -> None:
    at = moment({A.name: circuit_breaker.after_probe(DOWN)})
    step = next_step(walk(), at)
    assert isinstance(step, SendTo)
    assert (shown(step), step.claim) == ("first openai/one/gpt-4o", "trial openai/gpt-4o")
    assert shown(next_step(walk().with_lost_claim(step.claim), at)) == "first azure/main/gpt-4o-eu"


def test_one_call_tries_an_account_that_may_have_credit_again() -> None:
    at = moment(standing={"openai/one": EMPTY, "openai/two": INVALID}, now=NOW + 600, deadline=NOW + 700)
    step = next_step(walk(), at)
    assert isinstance(step, SendTo)
    assert (shown(step), step.claim) == ("first openai/one/gpt-4o", "quota openai/one")
    assert shown(next_step(walk().with_lost_claim(step.claim), at)) == "first azure/main/gpt-4o-eu"


def test_while_another_target_could_answer_a_call_does_not_wait_long_for_room_at_the_first() -> None:
    first = next_step(walk(), moment())
    assert isinstance(first, SendTo)
    assert first.max_wait_seconds == SHORT_WAIT_SECONDS
    last = after(walk(), errors.FirstByteTimeout())
    assert isinstance(last, SendTo)
    assert last.max_wait_seconds is None
    beside = next_step(walk(A), moment())
    assert isinstance(beside, SendTo)
    assert beside.max_wait_seconds == SHORT_WAIT_SECONDS
    alone = next_step(walk(A), moment(standing={"openai/two": EMPTY}))
    assert isinstance(alone, SendTo)
    assert alone.max_wait_seconds is None


def test_where_all_are_busy_the_call_waits_at_the_first_as_long_as_it_may() -> None:
    start = walk(Target("azure", "x"), B)
    back = after(start, errors.QueueTimeout(), errors.QueueTimeout())
    assert isinstance(back, SendTo)
    assert (shown(back), back.max_wait_seconds) == ("retry azure/main/x", None)
    assert shown(after(start, *[errors.QueueTimeout()] * 3)) == "stale"


@pytest.mark.parametrize(
    ("breakers", "standing", "name", "wait"),
    [
        ({A.name: DOWN}, {}, "target_down", 2.0),
        ({}, {"openai/one": INVALID, "openai/two": EMPTY}, "invalid_upstream_key", None),
        ({}, {"openai/one": credential_state.suspended(NOW), "openai/two": EMPTY}, "insufficient_quota", None),
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
    start, at = walk(canned=False, rungs=AllowedSteps(stale=False)), moment(deadline=NOW)
    failures = [
        errors.UpstreamRateLimited(retry_after=20.0),
        errors.InsufficientQuota(),
        errors.UpstreamOverloaded(retry_after=3.0),
    ]
    step = after(start, *failures, at=at)
    assert isinstance(step, Fail)
    assert (step.error.name, step.error.retry_after) == ("server_is_overloaded", 3.0)


@given(
    st.lists(st.sampled_from(ERRORS), min_size=60, max_size=60),
    st.booleans(),
    st.integers(0, 3),
    st.tuples(*[st.booleans()] * 4),
)
def test_whatever_fails_a_call_comes_to_its_end(
    failures: list[TidegateError], may_retry: bool, max_retries: int, rungs: tuple[bool, bool, bool, bool]
) -> None:
    allowed = AllowedSteps(credentials=rungs[0], targets=rungs[1], stale=rungs[2], canned=rungs[3])
    here, at = walk(rungs=allowed), moment(may_retry=may_retry, max_retries=max_retries)
    turns, asked = 5, []
    for error in failures:
        step = next_step(here, at)
        if isinstance(step, RetrySameTarget):
            turns -= 1
            here = (
                here.without_lane_wait()
                if turns < 0
                else msgspec.structs.replace(here, failures=(*here.failures, here.failures[-1]))
            )
        elif isinstance(step, SendTo):
            asked.append(step)
            here = here.with_failure(step, error)
        elif isinstance(step, GiveStale):
            assert allowed.stale
            here = here.without_stale()
        elif isinstance(step, GiveCanned):
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
    again = [
        step
        for step in asked
        if step.fallback_step is FallbackStep.RETRY and step.max_wait_seconds is None and step.delay_seconds > 0
    ]
    assert may_retry or not again
