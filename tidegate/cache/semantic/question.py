"""What is read in a question's words: the features that an embedding is blind to, and those that it may confuse.

An embedding places "turn it on" beside "turn it off", and 100 dollars beside 200. Numbers, negation, opposites, who
pays whom, and the words themselves are compared as text. Scripts other than Latin are words like any others.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Final

import msgspec

_APOSTROPHE: Final = "\u2019"
_TOKEN: Final = re.compile(rf"[^\W\d_]+(?:['{_APOSTROPHE}][^\W\d_]+)*|\d+(?:[.,:/-]\d+)*")
_CLOSING_MARKS: Final = " ?!.\u2026\u3002\uff1f\uff01"
_STEM_CHARACTERS = 3
"""A word keeps at least so many when its ending is cut off."""
_MIN_STEMMED = 5


class WordLists(msgspec.Struct, frozen=True, kw_only=True):
    """Words that say more than they mean, in English, German, French, Spanish, Portuguese and Italian.

    Each list is one text, its words separated by spaces.
    """

    function_words: str
    """English words without content. Prepositions stand among them: relations compare these."""
    negations: str
    prepositions: str
    dates: str
    """Names of days, months, and places in an order."""
    passing: str
    """Words of questions whose answers age: days counted from now, the weather."""
    numbers: dict[str, str]
    """The words for a number, by its digits."""
    opposites: list[tuple[str, str]]
    """Pairs of words that turn a question into its opposite, each side in all languages."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One question's words, read once."""

    key: str
    """The text as it is compared with texts asked before: equal for spellings that differ in case and spaces only."""
    words: tuple[str, ...]
    content: frozenset[str]
    """Stems of the words that carry content."""
    numbers: frozenset[str]
    """Numbers, in digits or words, and names of days and months."""
    ages: bool
    """Whether its answer ages soon, by one of its words."""
    negates: bool
    """Whether one of its words is a negation."""
    sides: frozenset[tuple[int, int]]
    """Of each pair of opposites that it names, the pair and the side."""
    relations: frozenset[tuple[str, str]]
    """Each preposition with the content word after it: they say who pays whom, of which `content` says nothing."""


class QuestionReader:
    """Reads questions by its lists of words."""

    def __init__(self, lists: WordLists) -> None:
        self._function_words = frozenset(lists.function_words.split())
        self._negations = frozenset(lists.negations.split())
        self._prepositions = frozenset(lists.prepositions.split())
        self._dates = frozenset(lists.dates.split())
        self._passing = frozenset(lists.passing.split())
        self._numbers = {word: digits for digits, words in lists.numbers.items() for word in words.split()}
        self._sides = {
            word: (number, side)
            for number, pair in enumerate(lists.opposites)
            for side, words in enumerate(pair)
            for word in words.split()
        }

    def read(self, text: str) -> Question:
        """Return what the words of a text say. A text without any word has a key, and nothing else."""
        key = key_of(text)
        words = tuple(word.replace(_APOSTROPHE, "'") for word in _TOKEN.findall(key))
        stems = [(_stem(word), word) for word in words]
        return Question(
            key=key,
            words=words,
            content=frozenset(stem for stem, word in stems if word not in self._function_words),
            numbers=frozenset(self._numbers.get(word, word) for word in words if self._is_number(word)),
            ages=not self._passing.isdisjoint(words),
            negates=any(self._is_negation(word) for word in words),
            sides=frozenset(self._sides[word] for word in words if word in self._sides),
            relations=frozenset(self._relations(stems)),
        )

    def _relations(self, stems: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        preposition = ""
        for stem, word in stems:
            if word in self._prepositions:
                preposition = word
            elif preposition and word not in self._function_words:
                yield preposition, stem
                preposition = ""

    def _is_number(self, word: str) -> bool:
        return word[0].isdigit() or word in self._numbers or word in self._dates

    def _is_negation(self, word: str) -> bool:
        return word.replace("'", "") in self._negations or word.endswith("n't")


def shipped_reader() -> QuestionReader:
    """Return the reader with the lists in the package."""
    text = resources.files("tidegate.cache.semantic").joinpath("words.json").read_bytes()
    return QuestionReader(msgspec.json.decode(text, type=WordLists))


def key_of(text: str) -> str:
    """Return the text as it is compared: composed, case folded, its spaces single, without marks at the end.

    Every letter of every script stays, so that two texts of other scripts never become the same empty one.
    """
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return folded.rstrip(_CLOSING_MARKS) or folded


def are_opposed(one: Question, other: Question) -> bool:
    """Return whether the questions stand on different sides of a pair of opposites."""
    ours, theirs = one.sides - other.sides, other.sides - one.sides
    return any((pair, 1 - side) in theirs for pair, side in ours)


def are_reordered(one: Question, other: Question) -> bool:
    """Return whether the questions have the same words in another order, or a preposition before another of them."""
    if one.words != other.words and len(one.words) == len(other.words) and sorted(one.words) == sorted(other.words):
        return True
    after = dict(other.relations)
    shared = one.content & other.content
    return any(
        preposition in after and after[preposition] != stem and {stem, after[preposition]} <= shared
        for preposition, stem in one.relations
    )


def _stem(word: str) -> str:
    """Return the word without a common English ending; others pass as they are."""
    if len(word) < _MIN_STEMMED:
        return word
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= _STEM_CHARACTERS:
            return word[: -len(ending)].rstrip("e")
    return word.rstrip("e")
