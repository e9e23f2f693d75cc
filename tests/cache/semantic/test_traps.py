"""No trap is given an earlier answer without the verifier's yes: opposites, numbers, names, dates, order, negation."""

import pytest

from tests.cache.semantic.parts import read
from tests.cache.semantic.traps import traps
from tidegate.cache.semantic.account import MAX_PRICE, AccountFigures, Rules
from tidegate.cache.semantic.calibration import UNFITTED, weigh
from tidegate.cache.semantic.candidates import MAX_NEIGHBOURS, candidates_for
from tidegate.cache.semantic.decision import Serve, decide
from tidegate.cache.semantic.embedder import StaticEmbedder, load_embedder
from tidegate.cache.semantic.index import VectorBlock
from tidegate.cache.semantic.prior import shipped_prior
from tidegate.cache.semantic.scope import AliasSet, PhrasingMemory

_BOLDEST = AccountFigures(requests=10_000, price=MAX_PRICE)
"""An account that has seen no error, and pays most for a hit."""


@pytest.fixture(scope="module")
def embedder() -> StaticEmbedder:
    return load_embedder()


def _scope(embedder: StaticEmbedder, answers: dict[str, tuple[str, ...]]) -> PhrasingMemory:
    scope = PhrasingMemory(VectorBlock(embedder.dimensions))
    for answer, phrasings in answers.items():
        for text in phrasings:
            scope.apply(AliasSet(question=read(text), answer=answer), embedder.embed(text))
    return scope


def test_there_are_a_hundred_traps() -> None:
    assert len({trap.question for trap in traps()}) >= 100


@pytest.mark.parametrize("verifies", [True, False])
@pytest.mark.parametrize("alone", [True, False])
def test_no_trap_is_given_unverified(embedder: StaticEmbedder, *, alone: bool, verifies: bool) -> None:
    """`alone`: its neighbours are all that the scope holds; else all traps' phrasings are."""
    everything = _scope(embedder, {trap.question: trap.phrasings for trap in traps()})
    prior, rules = shipped_prior(), Rules(verifies=verifies)
    given = []
    for trap in traps():
        scope = _scope(embedder, {trap.question: trap.phrasings}) if alone else everything
        vector = embedder.embed(trap.question)
        near = scope.neighbours(vector, MAX_NEIGHBOURS)
        found = candidates_for(read(trap.question), vector, near, scope)
        decision = decide(weigh(found, [prior.score(each.features) for each in found], UNFITTED), _BOLDEST, rules)
        if isinstance(decision, Serve):
            given.append(f"{trap.kind}: {trap.question} <- {decision.chosen.candidate.alias.question.key}")

    assert given == []
