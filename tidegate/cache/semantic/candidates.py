"""Earlier answers that may answer a question, and what is known of each. Pure: the neighbours are given.

The features, their worth and what adds nothing were measured: see docs/decisions/0104.
"""

from collections.abc import Sequence
from math import exp, log
from typing import Final, Protocol

import msgspec

from tidegate.cache.semantic.profile import AnswerProfile, Vector
from tidegate.cache.semantic.question import Question, are_opposed, are_reordered

MAX_NEIGHBOURS: Final = 16
"""Aliases nearest to the question that are looked at."""
MAX_CANDIDATES: Final = 3
"""Answers that are weighed, and shown to the verifier."""
FEATURES: Final = (
    "cosine",
    "margin",
    "vote",
    "jaccard",
    "only_question",
    "only_cached",
    "number_differs",
    "negation_differs",
    "log_aliases",
    "log_words",
    "rank",
    "log_cached",
    "reliability",
    "coverage",
    "coverage_margin",
    "middle",
    "middle_margin",
)
"""The names of a candidate's features, in their order."""

_VOTERS = 8
_VOTE_STEEPNESS = 12.0
_MOST_WORDS = 5
_FAR = 0.4
_MIN_ALIASES = 2


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    """One phrasing in the index, and the answer that it stands for."""

    question: Question
    answer: str
    """The answer's identity."""


class Neighbour(msgspec.Struct, frozen=True):
    """A phrasing near the question."""

    alias: Alias
    cosine: float


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that may be the question's own."""

    answer: str
    alias: Alias
    """Its nearest phrasing."""
    features: tuple[float, ...]
    veto: str
    """Why it is not given without a verifier's yes; empty where it may be."""
    cosine: float
    """The similarity of its nearest phrasing, -1 to 1."""
    coverage: float
    """The part of the question's words that its phrasings have, weighted by their rarity; 1 for all."""
    exchanges: bool
    """Whether the question has as many words instead of words of its nearest phrasing."""
    rank: float
    """0 for the nearest answer, 1 for others."""
    reliability: float
    """The logarithm of right to wrong verdicts on it."""


class KnownPhrasings(Protocol):
    """What a scope knows of all its phrasings."""

    @property
    def cached(self) -> int:
        """The number of phrasings."""
        ...

    def profile(self, answer: str) -> AnswerProfile:
        """Return what is known of an answer."""
        ...

    def rarity(self, stem: str) -> float:
        """Return how much a word tells: more, the fewer phrasings have it."""
        ...


class _Found(msgspec.Struct, frozen=True):
    nearest: Neighbour
    profile: AnswerProfile
    coverage: float
    middle: float


def candidates_for(
    question: Question, vector: Vector, near: Sequence[Neighbour], known: KnownPhrasings
) -> tuple[Candidate, ...]:
    """Return the answers of the nearest phrasings, nearest first. `near` begins with the nearest phrasing."""
    first: dict[str, Neighbour] = {}
    for neighbour in near:
        first.setdefault(neighbour.alias.answer, neighbour)
        if len(first) == MAX_CANDIDATES:
            break
    if not first:
        return ()
    rarities = {stem: known.rarity(stem) for stem in question.content}
    found = [_found(nearest, vector, rarities, known.profile(answer)) for answer, nearest in first.items()]
    top = near[0].cosine
    weights = [exp(_VOTE_STEEPNESS * (each.cosine - top)) for each in near[:_VOTERS]]
    sizes = (log(1.0 + len(question.words)), log(1.0 + known.cached))
    return tuple(_candidate(question, near, weights, found, rank, sizes) for rank in range(len(found)))


def veto_of(question: Question, nearest: Neighbour, aliases: int) -> str:
    """Return why the answer is not given unverified: what no similarity can tell apart. Empty if nothing speaks so.

    `aliases` is the number of the answer's phrasings.
    """
    cached = nearest.alias.question
    if question.numbers != cached.numbers:
        return "numbers"
    if question.negates != cached.negates:
        return "negation"
    if are_opposed(question, cached):
        return "opposite"
    if are_reordered(question, cached):
        return "order"
    if aliases < _MIN_ALIASES:
        return "few_phrasings"
    return ""


def _found(nearest: Neighbour, vector: Vector, rarities: dict[str, float], profile: AnswerProfile) -> _Found:
    total = sum(rarities.values())
    covered = sum(rarity for stem, rarity in rarities.items() if profile.knows(stem))
    return _Found(nearest, profile, covered / total if total else 1.0, profile.cosine(vector))


def _candidate(
    question: Question,
    near: Sequence[Neighbour],
    weights: Sequence[float],
    found: Sequence[_Found],
    rank: int,
    sizes: tuple[float, float],
) -> Candidate:
    this = found[rank]
    alias, cosine = this.nearest.alias, this.nearest.cosine
    others = [each for each in found if each is not this]
    votes = sum(w for w, each in zip(weights, near, strict=False) if each.alias.answer == alias.answer)
    is_later = 1.0 if rank else 0.0
    reliability = this.profile.reliability
    features = (
        cosine,
        cosine - _competitor(near, this.nearest),
        votes / sum(weights),
        *_word_features(question, alias.question),
        log(1.0 + this.profile.aliases),
        sizes[0],
        is_later,
        sizes[1],
        reliability,
        this.coverage,
        this.coverage - max((each.coverage for each in others), default=0.0),
        this.middle,
        this.middle - max((each.middle for each in others), default=0.0),
    )
    return Candidate(
        answer=alias.answer,
        alias=alias,
        features=features,
        veto=veto_of(question, this.nearest, this.profile.aliases),
        cosine=cosine,
        coverage=this.coverage,
        exchanges=_exchanges(question, alias.question),
        rank=is_later,
        reliability=reliability,
    )


def _competitor(near: Sequence[Neighbour], nearest: Neighbour) -> float:
    """Return the similarity of the nearest other answer, or how near one may be that is not among the neighbours."""
    answer = nearest.alias.answer
    for each in near:
        if each.alias.answer != answer:
            return each.cosine
    if len(near) >= _VOTERS:
        return min(near[-1].cosine, nearest.cosine - 0.1)
    return min(nearest.cosine - 0.1, _FAR)


def _exchanges(question: Question, cached: Question) -> bool:
    ours, theirs = len(question.content - cached.content), len(cached.content - question.content)
    return ours == theirs


def _word_features(question: Question, cached: Question) -> tuple[float, ...]:
    ours, theirs = question.content, cached.content
    common = len(ours & theirs)
    union = len(ours) + len(theirs) - common
    return (
        common / union if union else 1.0,
        float(min(len(ours) - common, _MOST_WORDS)),
        float(min(len(theirs) - common, _MOST_WORDS)),
        0.0 if question.numbers == cached.numbers else 1.0,
        0.0 if question.negates == cached.negates and not are_opposed(question, cached) else 1.0,
    )
