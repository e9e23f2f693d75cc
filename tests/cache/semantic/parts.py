"""A small scope for tests: an embedder that hashes words, and phrasings that stand for answers."""

from functools import cache
from hashlib import blake2b

import numpy as np

from tidegate.cache.semantic.calibration import Weighed
from tidegate.cache.semantic.candidates import Candidate
from tidegate.cache.semantic.index import VectorBlock
from tidegate.cache.semantic.profile import Vector
from tidegate.cache.semantic.question import Question, QuestionReader, shipped_reader
from tidegate.cache.semantic.scope import AliasSet, PhrasingMemory

DIMENSIONS = 64


@cache
def reader() -> QuestionReader:
    """Return the reader with the shipped lists."""
    return shipped_reader()


def read(text: str) -> Question:
    """Return what the words of a text say."""
    return reader().read(text)


@cache
def _direction(word: str) -> Vector:
    seed = int.from_bytes(blake2b(word.encode(), digest_size=4).digest(), "big")
    return np.random.default_rng(seed).standard_normal(DIMENSIONS).astype(np.float32)


@cache
def embed(text: str) -> Vector:
    """Return a vector to which each word adds its own direction: texts with the same words are near."""
    total = np.zeros(DIMENSIONS, dtype=np.float32)
    for word in read(text).words:
        total += _direction(word)
    length = float(np.sqrt(total @ total))
    return total / length if length else total


def scope_of(answers: dict[str, list[str]]) -> PhrasingMemory:
    """Return a scope in which these phrasings stand for these answers."""
    scope = PhrasingMemory(VectorBlock(DIMENSIONS))
    for answer, phrasings in answers.items():
        for text in phrasings:
            scope.apply(AliasSet(question=read(text), answer=answer), embed(text))
    return scope


def weighed(probability: float, *, answer: str = "a", veto: str = "", coverage: float = 1.0) -> Weighed:
    """Return a candidate of this probability."""
    scope = scope_of({answer: ["how do I pay"]})
    candidate = Candidate(
        answer=answer,
        alias=scope.aliases["how do i pay"],
        features=(0.0,) * 17,
        veto=veto,
        cosine=0.9,
        coverage=coverage,
        exchanges=False,
        rank=0.0,
        reliability=0.0,
    )
    return Weighed((candidate, 3.0, probability))
