"""An answer's profile forgets a phrasing as if it had never been there."""

import pytest

from tests.cache.semantic.parts import DIMENSIONS, embed, read
from tidegate.cache.semantic.profile import AnswerProfile


def test_a_phrasing_that_goes_leaves_nothing() -> None:
    profile = AnswerProfile(DIMENSIONS)
    profile.add(read("how do I pay my bill"), embed("how do I pay my bill"))
    profile.add(read("settle an invoice"), embed("settle an invoice"))
    profile.remove(read("settle an invoice"), embed("settle an invoice"))

    assert profile.aliases == 1
    assert profile.knows("bill")
    assert not profile.knows("invoic")
    assert profile.cosine(embed("how do I pay my bill")) == pytest.approx(1.0, abs=1e-5)


def test_an_empty_profile_resembles_nothing() -> None:
    assert AnswerProfile(DIMENSIONS).cosine(embed("how do I pay")) == 0.0


def test_verdicts_make_an_answer_more_or_less_reliable() -> None:
    profile = AnswerProfile(DIMENSIONS)
    assert profile.reliability == 0.0
    profile.note_verdict(right=True)
    assert profile.reliability > 0
    profile.note_verdict(right=False)
    profile.note_verdict(right=False)
    assert profile.reliability < 0
