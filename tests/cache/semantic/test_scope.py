"""A scope changes only by the changes that it is given, so that every process that applies them decides alike."""

from tests.cache.semantic.parts import embed, read, scope_of
from tidegate.cache.semantic.scope import AliasRemoved, AliasSet, KnownText, TextForgotten, TextLearned, VerdictNoted


def test_a_phrasing_can_stand_for_another_answer_and_keeps_its_place() -> None:
    scope = scope_of({"a": ["how do I pay", "pay how"]})
    scope.apply(AliasSet(question=read("pay how"), answer="b"), embed("something else"))

    assert (scope.profile("a").aliases, scope.profile("b").aliases) == (1, 1)
    assert scope.neighbours(embed("pay how"), 1)[0].alias.answer == "b"


def test_a_removed_phrasing_is_not_found_and_counts_no_more() -> None:
    scope = scope_of({"a": ["how do I pay my invoice"], "b": ["where is my parcel"]})
    rarity = scope.rarity("invoic")
    scope.apply(AliasRemoved(key="how do i pay my invoice"))
    scope.apply(AliasRemoved(key="how do i pay my invoice"))

    assert scope.cached == 1
    assert [each.alias.answer for each in scope.neighbours(embed("pay my invoice"), 5)] == ["b"]
    assert scope.rarity("invoic") != rarity


def test_a_new_phrasing_without_a_vector_is_left_out() -> None:
    scope = scope_of({})
    scope.apply(AliasSet(question=read("how do I pay"), answer="a"))

    assert scope.cached == 0


def test_texts_are_learned_and_forgotten() -> None:
    scope = scope_of({})
    scope.apply(TextLearned(key="k", known=KnownText(answer="a")))
    assert scope.texts["k"].answer == "a"
    scope.apply(TextForgotten(key="k"))
    scope.apply(TextForgotten(key="k"))
    assert not scope.texts


def test_verdicts_reach_the_answers_profile() -> None:
    scope = scope_of({"a": ["how do I pay"]})
    scope.apply(VerdictNoted(answer="a", right=True))

    assert scope.profile("a").reliability > 0
