"""A near answer is given for a second, while it is fresh and young enough, and all of them together are bounded."""

import math

import pytest

from tidegate.cache.near_answers import NEAR_SECONDS, NearAnswer, NearAnswers
from tidegate.core.values import AnswerHead

NOW = 1_790_000_000.0


def answer(
    at: float = NOW, *, size: int = 10, stored_at: float = NOW - 60, fresh_until: float = NOW + 60
) -> NearAnswer:
    head = AnswerHead(stream=False, served_by="openai/gpt-4o-mini")
    ends_at = min(at + NEAR_SECONDS, fresh_until)
    return NearAnswer(
        head=head,
        events=[b"x" * size],
        account=b"{}",
        provider="openai",
        stored_at=stored_at,
        begins_at=at,
        ends_at=ends_at,
        size=size,
    )


@pytest.mark.parametrize(
    ("later", "max_age", "is_given"),
    [
        (0.0, None, True),
        (0.999, None, True),
        (1.0, None, False),  # Redis is asked once a second
        (3600.0, None, False),
        (-0.001, None, False),  # the clock was set back
        (-3600.0, None, False),
        (0.5, 61, True),
        (0.5, 60, False),
        (0.0, 60, True),
        (0.0, 59, False),
    ],
)
def test_an_answer_is_given_while_it_is_near_and_young_enough(
    later: float, max_age: int | None, is_given: bool
) -> None:
    near = NearAnswers()
    near.add("f", answer(), now=NOW)
    assert (near.find("f", max_age=max_age, now=NOW + later) is not None) == is_given
    assert near.find("g", max_age=None, now=NOW) is None


def test_an_answer_that_is_no_longer_fresh_is_not_given() -> None:
    near = NearAnswers()
    near.add("f", answer(fresh_until=NOW + 0.3), now=NOW)
    assert near.find("f", max_age=None, now=NOW + 0.29)
    assert near.find("f", max_age=None, now=NOW + 0.3) is None


def test_the_oldest_leave_when_all_together_are_too_large() -> None:
    near = NearAnswers(max_bytes=100)
    for number in range(4):
        near.add(f"f{number}", answer(size=30), now=NOW)
    near.add("f2", answer(size=30), now=NOW)
    assert [near.find(f"f{number}", max_age=None, now=NOW) is not None for number in range(4)] == [
        False,
        True,
        True,
        True,
    ]
    near.add("large", answer(size=101), now=NOW)
    assert near.find("large", max_age=None, now=NOW) is None
    assert repr(near) == "<NearAnswers: 0, 0 bytes>"


def test_answers_that_are_no_longer_near_leave_with_the_next_one() -> None:
    near = NearAnswers()
    for number in range(100):
        near.add(f"f{number}", answer(NOW + number, fresh_until=math.inf), now=NOW + number)
        assert repr(near) == "<NearAnswers: 1, 10 bytes>"
