"""What is known of one answer from all its phrasings together: their words, their middle, and the verdicts on it."""

from collections import Counter
from math import log, sqrt

import numpy as np
import numpy.typing as npt

from tidegate.cache.semantic.question import Question

Vector = npt.NDArray[np.float32]


class AnswerProfile:
    """The profile of one answer; it changes with each phrasing and verdict."""

    __slots__ = ("_length", "_sum", "_words", "aliases", "right", "wrong")

    def __init__(self, dimensions: int) -> None:
        self._sum = np.zeros(dimensions, dtype=np.float32)
        self._length = 0.0
        self._words: Counter[str] = Counter()
        self.aliases = 0
        """The number of phrasings that stand for it."""
        self.right = 0
        """Verdicts by which it answered a question that came near to it."""
        self.wrong = 0

    @property
    def reliability(self) -> float:
        """The logarithm of right to wrong verdicts."""
        return log((self.right + 1.0) / (self.wrong + 1.0))

    def knows(self, stem: str) -> bool:
        """Return whether one of its phrasings has this word."""
        return stem in self._words

    def cosine(self, vector: Vector) -> float:
        """Return the similarity of a vector to the middle of its phrasings."""
        return float(self._sum @ vector) / self._length if self._length else 0.0

    def add(self, question: Question, vector: Vector) -> None:
        """Note a new phrasing."""
        self.aliases += 1
        self._words.update(question.content)
        self._set_sum(self._sum + vector)

    def remove(self, question: Question, vector: Vector) -> None:
        """Forget a phrasing."""
        self.aliases -= 1
        for stem in question.content:
            self._words[stem] -= 1
            if not self._words[stem]:
                del self._words[stem]
        self._set_sum(self._sum - vector)

    def note_verdict(self, *, right: bool) -> None:
        """Count a verdict."""
        if right:
            self.right += 1
        else:
            self.wrong += 1

    def _set_sum(self, total: Vector) -> None:
        self._sum = total
        self._length = sqrt(float(total @ total))
