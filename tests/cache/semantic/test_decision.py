"""A near-miss is given unverified only if it is safe, verified if that pays, and asked in full else."""

import pytest

from tests.cache.semantic.parts import weighed
from tidegate.cache.semantic.account import AccountFigures, Rules
from tidegate.cache.semantic.decision import AskInFull, Serve, Verify, after_verdict, decide

_RULES = Rules(delta=0.01)
_LOCAL = Rules(delta=0.01, verifies=False)
_SEASONED = AccountFigures(requests=10_000, price=0.2)
_SPENT = AccountFigures(requests=1_000, audited_wrong=10)


def test_without_candidates_the_model_is_asked_and_nothing_is_compared() -> None:
    assert decide([], _SEASONED, _RULES) == AskInFull()


def test_a_sure_answer_is_given_at_once() -> None:
    decision = decide([weighed(0.998)], _SEASONED, _RULES)

    assert isinstance(decision, Serve)
    assert not decision.verified
    assert decision.risk == pytest.approx(0.002)


@pytest.mark.parametrize(
    "candidate",
    [
        weighed(0.998, veto="numbers"),
        weighed(0.998, coverage=0.8),
        weighed(0.7),
    ],
)
def test_what_is_not_sure_is_asked_of_the_verifier(candidate: object) -> None:
    assert isinstance(decide([candidate], _SEASONED, _RULES), Verify)  # type: ignore[list-item]


@pytest.mark.parametrize("candidate", [weighed(0.998, veto="numbers"), weighed(0.7)])
def test_without_a_verifier_it_is_asked_in_full(candidate: object) -> None:
    assert isinstance(decide([candidate], _SEASONED, _LOCAL), AskInFull)  # type: ignore[list-item]


@pytest.mark.parametrize("rules", [_RULES, _LOCAL])
def test_a_spent_account_gives_nothing(rules: Rules) -> None:
    decision = decide([weighed(0.999)], _SPENT, rules)
    if isinstance(decision, Verify):
        decision = after_verdict(decision, decision.shown[0], _SPENT, rules)

    assert isinstance(decision, AskInFull)


def test_a_closed_scope_gives_nothing() -> None:
    decision = decide([weighed(0.999)], _SEASONED, _LOCAL, scope_open=False)

    assert isinstance(decision, AskInFull)


def test_the_verifier_sees_the_most_probable_first_and_is_obeyed() -> None:
    first, second = weighed(0.4, answer="a"), weighed(0.5, answer="b")
    asked = decide([first, second], _SEASONED, _RULES)
    assert isinstance(asked, Verify)

    served = after_verdict(asked, first, _SEASONED, _RULES)
    refused = after_verdict(asked, None, _SEASONED, _RULES)

    assert [each.candidate.answer for each in asked.shown] == ["b", "a"]
    assert isinstance(served, Serve)
    assert served.chosen is first
    assert isinstance(refused, AskInFull)
    assert refused.verified
    assert not refused.verifier_agreed


def test_the_yes_of_a_verifier_that_errs_is_not_enough() -> None:
    figures = AccountFigures(requests=10_000, price=0.05, verified_wrong=30, verified_doubt=60)
    decision = after_verdict(Verify(candidates=(weighed(0.5),)), weighed(0.5), figures, _RULES)

    assert isinstance(decision, AskInFull)
    assert decision.verifier_agreed
