"""A problem has names and places in the code; nothing of an error's text, and nothing of what is expected."""

import asyncio

import pytest

from tidegate.core.errors import RedisUnavailable, TidegateError
from tidegate.core.events import Event, EventName
from tidegate.monitoring.sentry.problem import MAX_CHAIN, MAX_FRAMES, Problem, problem_of_error, problem_of_event


def caught(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except type(error) as raised:
        return raised


def known(error: BaseException) -> Problem:
    problem = problem_of_error(error)
    assert problem is not None
    return problem


def test_an_unexpected_error_is_named_by_its_type_and_place() -> None:
    problem = known(caught(ValueError("what a caller wrote")))
    here = f"{__name__}.caught"
    assert problem.fingerprint == ("internal_error", "builtins.ValueError", here)
    assert problem.name == TidegateError.name
    [error] = problem.errors
    assert [(frame.module, frame.function) for frame in error.frames] == [(__name__, "caught")]
    assert "what a caller wrote" not in repr(problem)


def test_what_led_to_it_comes_first() -> None:
    problem = known(caught(ValueError(), caught(KeyError())))
    assert [error.type for error in problem.errors] == ["KeyError", "ValueError"]


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert known(ValueError()).errors[0].frames == ()


@pytest.mark.parametrize("error", [RedisUnavailable(), asyncio.CancelledError(), KeyboardInterrupt(), SystemExit()])
def test_what_is_expected_is_no_problem(error: BaseException) -> None:
    assert problem_of_error(error) is None


def test_an_untyped_error_of_the_gateway_is_one() -> None:
    assert problem_of_error(TidegateError()) is not None


def test_deep_errors_are_cut() -> None:
    def descend(depth: int) -> None:
        if not depth:
            raise ValueError
        descend(depth - 1)

    try:
        descend(3 * MAX_FRAMES)
    except ValueError as error:
        problem = known(error)
    assert len(problem.errors[0].frames) == MAX_FRAMES
    last: Exception = ValueError()
    for _ in range(3 * MAX_CHAIN):
        following = ValueError()
        following.__cause__ = last
        last = following
    assert len(known(last).errors) == MAX_CHAIN


@pytest.mark.parametrize(
    ("event", "fingerprint"),
    [
        (
            Event(EventName.CREDENTIAL_OUT, subject="openai/a", cause="invalid"),
            ("credential_out", "openai/a", "invalid"),
        ),
        (Event(EventName.POSTGRES_UNAVAILABLE), ("postgres_unavailable",)),
        (Event(EventName.REDIS_LOST), ("redis_lost",)),
        (Event(EventName.LEDGER_HELD), ("ledger_held",)),
    ],
)
def test_what_an_operator_must_mend_is_one(event: Event, fingerprint: tuple[str, ...]) -> None:
    problem = problem_of_event(event)
    assert problem is not None
    assert problem.fingerprint == fingerprint
    assert problem.remedy


@pytest.mark.parametrize(
    "event",
    [
        Event(EventName.REDIS_BACK),
        Event(EventName.REDIS_REFUSED),
        Event(EventName.TARGET_DOWN, subject="openai/gpt-4o-mini"),
        Event(EventName.CREDENTIAL_OUT, subject="openai/main", cause="suspended"),
        Event(EventName.LEDGER_SPOOLED),
    ],
)
def test_what_mends_itself_is_none(event: Event) -> None:
    assert problem_of_event(event) is None
