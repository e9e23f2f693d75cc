"""Candidates are the nearest answers, with features that tell them apart, and vetoes for what similarity cannot."""

import pytest

from tests.cache.semantic.parts import embed, read, scope_of
from tidegate.cache.semantic.candidates import FEATURES, MAX_CANDIDATES, MAX_NEIGHBOURS, Candidate, candidates_for


def _candidates(answers: dict[str, list[str]], text: str) -> tuple[Candidate, ...]:
    scope = scope_of(answers)
    vector = embed(text)
    return candidates_for(read(text), vector, scope.neighbours(vector, MAX_NEIGHBOURS), scope)


def test_a_scope_without_phrasings_has_no_candidates() -> None:
    assert _candidates({}, "how do I pay") == ()


def test_the_nearest_answer_is_first_and_each_answer_comes_once() -> None:
    answers = {
        "pay": ["how do I pay my bill", "pay my bill how"],
        "late": ["is my bill late"],
        "ship": ["where is my parcel"],
        "joke": ["tell me a joke"],
    }
    found = _candidates(answers, "how can I pay my bill")

    assert found[0].answer == "pay"
    assert len({each.answer for each in found}) == len(found) == MAX_CANDIDATES
    assert all(len(each.features) == len(FEATURES) for each in found)


def test_features_say_how_far_the_next_answer_is() -> None:
    found = _candidates({"pay": ["how do I pay my bill"], "ship": ["where is my parcel"]}, "how do I pay a bill")
    first, second = (dict(zip(FEATURES, each.features, strict=True)) for each in found)

    assert first["margin"] > 0 > second["margin"]
    assert first["vote"] > second["vote"]
    assert first["coverage_margin"] > 0 > second["coverage_margin"]


@pytest.mark.parametrize(
    ("phrasings", "text", "veto"),
    [
        (["send 100 dollars", "send 100 dollars please"], "send 200 dollars", "numbers"),
        (["can I pay by card", "pay by card"], "can't I pay by card", "negation"),
        (["turn notifications on", "notifications on"], "turn notifications off", "opposite"),
        (["flights from Oslo to Rome", "from Oslo to Rome flights"], "flights from Rome to Oslo", "order"),
        (["how do I pay"], "how can I pay", "few_phrasings"),
        (["how do I pay", "pay how"], "how can I pay", ""),
    ],
)
def test_what_no_similarity_tells_apart_is_vetoed(phrasings: list[str], text: str, veto: str) -> None:
    assert _candidates({"a": phrasings}, text)[0].veto == veto


def test_a_word_that_no_phrasing_has_lowers_the_coverage() -> None:
    answers = {"a": ["how do I pay my bill", "pay a bill"]}

    assert _candidates(answers, "pay my bill")[0].coverage == 1.0
    assert _candidates(answers, "pay my insurance bill")[0].coverage < 1.0
