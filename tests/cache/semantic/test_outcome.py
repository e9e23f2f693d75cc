"""What a request teaches: only fetched or confirmed texts become aliases, each fetched text keeps its own answer."""

import pytest

from tests.cache.semantic.parts import read, weighed
from tidegate.cache.semantic.account import AccountFigures, Rules
from tidegate.cache.semantic.decision import AskInFull, Serve
from tidegate.cache.semantic.outcome import after_asked, after_repeat, after_served, repeat_of
from tidegate.cache.semantic.scope import (
    AliasRemoved,
    AliasSet,
    KnownText,
    TextForgotten,
    TextLearned,
    VerdictNoted,
)

_FIGURES = AccountFigures(requests=10_000)
_QUESTION = read("how can I pay")
_CHOSEN = weighed(0.9)


def _served(*, verified: bool, risk: float = 0.05, share: float = 0.5) -> Serve:
    return Serve(chosen=_CHOSEN, verified=verified, risk=risk, audit_share=share, candidates=(_CHOSEN,))


def test_an_audited_right_answer_is_confirmed() -> None:
    lesson = after_served(_served(verified=True), _QUESTION, _FIGURES, right=True, attracted=None)

    known = KnownText(answer="a", is_alias=True, repeats=1)
    assert lesson.scope == (
        VerdictNoted(answer="a", right=True),
        TextLearned(key=_QUESTION.key, known=known),
        AliasSet(question=_QUESTION, answer="a"),
    )
    assert lesson.account.audited_wrong == 0
    assert lesson.account.confirmed == lesson.account.confirmable == 1


def test_an_audited_wrong_answer_counts_for_those_that_were_not_audited() -> None:
    lesson = after_served(_served(verified=False, share=0.25), _QUESTION, _FIGURES, right=False, attracted=None)

    assert lesson.scope == (VerdictNoted(answer="a", right=False),)
    assert (lesson.account.audited_wrong, lesson.account.sampled_wrong, lesson.account.sampled_variance) == (1, 3, 12)
    assert lesson.label is not None
    assert (lesson.label.right, lesson.label.weight) == (False, 4)


def test_a_wrong_verdict_gives_the_phrasing_that_attracted_it_back_its_own_answer() -> None:
    merged = KnownText(answer="its own")
    lesson = after_served(_served(verified=True), _QUESTION, _FIGURES, right=False, attracted=merged)

    assert lesson.scope[1:] == (AliasSet(question=_CHOSEN.candidate.alias.question, answer="its own"),)


@pytest.mark.parametrize(
    ("verified", "risk", "becomes_alias"), [(True, 0.05, True), (False, 0.001, True), (False, 0.05, False)]
)
def test_an_answer_that_was_not_audited_is_charged_and_kept_only_if_it_is_safe(
    risk: float, *, verified: bool, becomes_alias: bool
) -> None:
    lesson = after_served(_served(verified=verified, risk=risk), _QUESTION, _FIGURES, right=None, attracted=None)

    assert lesson.account.unaudited_risk >= risk
    assert bool(lesson.scope) is becomes_alias


def test_a_fetched_text_keeps_its_own_answer_where_another_one_is_the_same() -> None:
    asked = AskInFull(candidates=(_CHOSEN,), compare_share=1.0)
    lesson = after_asked(asked, _QUESTION, "fresh", compared=True, same=_CHOSEN)

    assert TextLearned(key=_QUESTION.key, known=KnownText(answer="fresh")) in lesson.scope
    assert AliasSet(question=_QUESTION, answer="a") in lesson.scope


def test_a_text_that_may_double_another_stays_out_of_the_index() -> None:
    asked = AskInFull(candidates=(_CHOSEN,), compare_share=0.5)
    lesson = after_asked(asked, _QUESTION, "fresh", compared=False, same=None)

    assert lesson.scope == (TextLearned(key=_QUESTION.key, known=KnownText(answer="fresh")),)


def test_a_text_without_a_candidate_enters_the_index() -> None:
    lesson = after_asked(AskInFull(), _QUESTION, "fresh", compared=False, same=None)

    assert AliasSet(question=_QUESTION, answer="fresh") in lesson.scope


def test_a_yes_that_the_comparison_denies_counts_only_in_the_label() -> None:
    asked = AskInFull(candidates=(_CHOSEN,), compare_share=1.0, verified=True, verifier_agreed=True)
    lesson = after_asked(asked, _QUESTION, "fresh", compared=True, same=None)

    assert (lesson.account.confirmable, lesson.account.confirmed) == (0, 0)
    assert lesson.label is not None
    assert not lesson.label.right


def test_a_confirmed_alias_is_audited_at_its_second_fourth_and_eighth_repeat() -> None:
    known, audited = KnownText(answer="a", is_alias=True, repeats=1), []
    for number in range(2, 17):
        repeat = repeat_of(known, _FIGURES, Rules())
        known = repeat.known
        if repeat.audit_share:
            audited.append(number)

    assert audited == [2, 4, 8, 16]


@pytest.mark.parametrize("risk", [0.0, 0.02])
def test_a_repeated_alias_that_is_wrong_is_forgotten(risk: float) -> None:
    repeat = repeat_of(KnownText(answer="a", is_alias=True, risk=risk, repeats=1), _FIGURES, Rules())
    lesson = after_repeat("key", repeat, _FIGURES, right=False)

    assert lesson.account.audited_wrong == 1
    assert lesson.scope == (TextForgotten(key="key"), AliasRemoved(key="key"))


def test_a_repeated_alias_that_is_right_is_confirmed() -> None:
    repeat = repeat_of(KnownText(answer="a", is_alias=True, risk=0.02), _FIGURES, Rules())
    lesson = after_repeat("key", repeat, _FIGURES, right=True)

    assert lesson.scope == (TextLearned(key="key", known=KnownText(answer="a", is_alias=True, repeats=1)),)
