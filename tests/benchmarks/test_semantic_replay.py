"""The replay drives the tier's own decisions: the promise holds in it for every kind of verifier and judge."""

import itertools
import random
from collections.abc import Iterator

import pytest

from benchmarks.semantic.replay import Counts, Errors, Replay
from benchmarks.semantic.streams import Phrasing, QuestionSet, stream
from tests.cache.semantic.parts import DIMENSIONS, embed
from tidegate.cache.semantic.account import Rules
from tidegate.cache.semantic.index import VectorBlock
from tidegate.cache.semantic.prior import shipped_prior
from tidegate.cache.semantic.question import shipped_reader

_OPENINGS = ("how do I", "how can I", "please", "I want to", "help me", "can you", "what is the way to", "let me")
_VERBS = ("pay", "cancel", "track", "change", "find", "print", "send", "export")
_THINGS = ("bill", "order", "parcel", "address", "invoice", "ticket", "report", "password", "card", "plan")
_CLOSINGS = ("", "today please", "quickly", "from my phone", "online", "again", "if possible")


def _questions() -> QuestionSet:
    phrasings = [
        Phrasing(f"{opening} {verb} my {thing} {closing}".strip(), f"{verb} {thing}")
        for opening, verb, thing, closing in itertools.product(_OPENINGS, _VERBS, _THINGS, _CLOSINGS)
    ]
    random.Random(1).shuffle(phrasings)  # noqa: S311  # a simulation
    return QuestionSet("made up", tuple(phrasings), 1_500)


def _played(rules: Rules, errors: Errors, seed: int) -> Counts:
    replay = Replay(
        prior=shipped_prior(),
        reader=shipped_reader(),
        index=VectorBlock(DIMENSIONS),
        embed=embed,
        rules=rules,
        errors=errors,
        seed=seed,
    )
    return replay.run(stream(_questions(), seed))


def _kinds() -> Iterator[tuple[str, Rules, Errors]]:
    yield "a good verifier", Rules(), Errors(verifier=0.0)
    yield "a usual verifier", Rules(), Errors(verifier=0.03)
    yield "a verifier that errs often", Rules(), Errors(verifier=0.2)
    yield "a verifier that always confuses some", Rules(), Errors(verifier=0.03, always_confused=0.1)
    yield "a judge that errs", Rules(), Errors(verifier=0.03, judge=0.01)
    yield "another promise", Rules(delta=0.02), Errors(verifier=0.03)
    yield "no verifier", Rules(verifies=False), Errors(verifier=0.03)


@pytest.mark.parametrize(("kind", "rules", "errors"), [pytest.param(*each, id=each[0]) for each in _kinds()])
def test_the_promise_holds_at_every_request(kind: str, rules: Rules, errors: Errors) -> None:
    counts = _played(rules, errors, seed=3)

    assert counts.max_judged_share <= rules.delta, f"{kind}: {counts}"


def test_a_verifier_multiplies_the_hits_of_exact_repeats() -> None:
    counts = _played(Rules(), Errors(verifier=0.03), seed=3)

    assert counts.hit_share > 1.5 * 0.23


def test_a_replay_is_the_same_each_time() -> None:
    assert _played(Rules(), Errors(), seed=5) == _played(Rules(), Errors(), seed=5)
