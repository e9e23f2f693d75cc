"""The values that pass between packages are immutable, and their properties are right."""

import msgspec
import pytest

from tidegate.core import values
from tidegate.core.errors import ConnectionFailed
from tidegate.core.tags import Tag
from tidegate.core.values import AnswerHead, AnswerQuota, Caller, Limits, Outcome, Priority, Usage


@pytest.mark.parametrize("kind", [AnswerHead, AnswerQuota, Caller, Limits, Outcome, Usage])
def test_every_value_is_frozen_and_named(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen
    with pytest.raises(TypeError, match="positional"):
        kind("x")


def test_every_struct_of_the_module_was_looked_at() -> None:
    structs = {kind for kind in vars(values).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)}
    assert structs - {Tag} == {AnswerHead, AnswerQuota, Caller, Limits, Outcome, Usage}


def test_an_outcome_without_a_word_is_an_empty_success_that_nobody_stores() -> None:
    outcome = Outcome()
    assert (outcome.error, outcome.reported_error, outcome.events, outcome.storable) == (None, None, (), False)


@pytest.mark.parametrize(
    ("was_connected", "seconds", "expected"),
    [(True, 0.9, False), (True, 1.1, True), (False, 0.9, False), (False, 30.0, False)],
)
def test_a_lost_connection_may_have_cost_and_one_that_was_never_made_did_not(
    was_connected: bool, seconds: float, expected: bool
) -> None:
    error = ConnectionFailed(was_connected=was_connected)
    assert Outcome(error=error, sent=True, seconds=seconds).may_be_charged is expected


def test_limits_are_none_until_one_is_set() -> None:
    assert Limits().is_unlimited
    assert not Limits(rpm=0).is_unlimited
    assert Caller(key_id="k", project="p", name="").limits.is_unlimited


def test_a_priority_is_a_word_and_a_share() -> None:
    assert [(one.label, one.weight) for one in Priority] == [("high", 16), ("normal", 4), ("low", 1)]


def test_usage_adds_up_and_a_guess_makes_the_sum_a_guess() -> None:
    counted, guessed = Usage(input=3, cached=1, output=2, reasoning=1), Usage(input=4, output=5, estimated=True)
    assert counted.plus(guessed) == Usage(input=7, cached=1, output=7, reasoning=1, estimated=True)
