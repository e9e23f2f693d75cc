"""What one scope knows: its phrasings, their answers, and which text has which answer.

Everything that changes it is a value, applied in one order in every process; so all processes decide alike.
"""

from collections import Counter
from collections.abc import Sequence
from math import log
from typing import Protocol

import msgspec

from tidegate.cache.semantic.candidates import Alias, Neighbour
from tidegate.cache.semantic.profile import AnswerProfile, Vector
from tidegate.cache.semantic.question import Question


class KnownText(msgspec.Struct, frozen=True, kw_only=True):
    """A text that was asked before."""

    answer: str
    """The answer that it gets when it is asked again."""
    is_alias: bool = False
    """Whether that answer was fetched for another text."""
    risk: float = 0.0
    """The probability that the answer is wrong for it; 0 once that was confirmed, and for its own answer."""
    repeats: int = 0
    """How often it was asked again since it was confirmed, and that one time."""


class TextLearned(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    """A text has an answer from now on."""

    key: str
    known: KnownText


class TextForgotten(msgspec.Struct, frozen=True, kw_only=True, tag="forget"):
    """A text has no answer any more."""

    key: str


class AliasSet(msgspec.Struct, frozen=True, kw_only=True, tag="alias"):
    """A phrasing stands for an answer: it is new in the index, or stood for another one."""

    question: Question
    answer: str


class AliasRemoved(msgspec.Struct, frozen=True, kw_only=True, tag="remove"):
    """A phrasing leaves the index."""

    key: str


class VerdictNoted(msgspec.Struct, frozen=True, kw_only=True, tag="verdict"):
    """An answer was, or was not, right for a question that came near to it."""

    answer: str
    right: bool


ScopeChange = TextLearned | TextForgotten | AliasSet | AliasRemoved | VerdictNoted


class VectorIndex(Protocol):
    """Finds the phrasings nearest to a vector."""

    @property
    def dimensions(self) -> int:
        """The length of the vectors."""
        ...

    def vector(self, key: str) -> Vector:
        """Return the vector of a phrasing. Raises KeyError."""
        ...

    def set(self, key: str, vector: Vector) -> None:
        """Add a phrasing, or move it."""
        ...

    def remove(self, key: str) -> None:
        """Remove a phrasing; one that is not there is fine."""
        ...

    def nearest(self, vector: Vector, count: int) -> Sequence[tuple[str, float]]:
        """Return the nearest phrasings with their cosines, nearest first."""
        ...


class PhrasingMemory:
    """The phrasings and answers of one scope, in this process. Implements `candidates.KnownPhrasings`."""

    def __init__(self, index: VectorIndex) -> None:
        self._index = index
        self._profiles: dict[str, AnswerProfile] = {}
        self._stems: Counter[str] = Counter()
        """The number of phrasings that have a word."""
        self.texts: dict[str, KnownText] = {}
        """What was asked, by its key."""
        self.aliases: dict[str, Alias] = {}
        """The phrasings in the index, by their key."""

    @property
    def cached(self) -> int:
        """The number of phrasings."""
        return len(self.aliases)

    def neighbours(self, vector: Vector, count: int) -> list[Neighbour]:
        """Return the phrasings nearest to a vector, nearest first."""
        return [Neighbour(self.aliases[key], cosine) for key, cosine in self._index.nearest(vector, count)]

    def profile(self, answer: str) -> AnswerProfile:
        """Return what is known of an answer."""
        profile = self._profiles.get(answer)
        if profile is None:
            profile = self._profiles[answer] = AnswerProfile(self._index.dimensions)
        return profile

    def rarity(self, stem: str) -> float:
        """Return how much a word tells: more, the fewer phrasings have it."""
        return log((len(self.aliases) + 1.0) / (self._stems[stem] + 0.5))

    def apply(self, change: ScopeChange, vector: Vector | None = None) -> None:
        """Make a change. `vector` is that of a phrasing that is new in the index."""
        match change:
            case TextLearned(key=key, known=known):
                self.texts[key] = known
            case TextForgotten(key=key):
                self.texts.pop(key, None)
            case AliasSet(question=question, answer=answer):
                self._set_alias(question, answer, vector)
            case AliasRemoved(key=key):
                self._remove_alias(key)
            case VerdictNoted(answer=answer, right=right):
                self.profile(answer).note_verdict(right=right)

    def _set_alias(self, question: Question, answer: str, vector: Vector | None) -> None:
        """Add a phrasing, or let a known one stand for another answer: its vector stays then."""
        before = self.aliases.get(question.key)
        if before is not None:
            vector = self._index.vector(question.key)
            self.profile(before.answer).remove(before.question, vector)
        elif vector is None:
            return
        else:
            self._index.set(question.key, vector)
            self._stems.update(question.content)
        self.aliases[question.key] = Alias(question=question, answer=answer)
        self.profile(answer).add(question, vector)

    def _remove_alias(self, key: str) -> None:
        alias = self.aliases.pop(key, None)
        if alias is not None:
            self.profile(alias.answer).remove(alias.question, self._index.vector(key))
            self._stems.subtract(alias.question.content)
            self._index.remove(key)
