"""Streams of questions: some asked again word for word, the others phrasings that were not asked before."""

import csv
import random
from collections.abc import Iterator
from pathlib import Path

import msgspec

_REPEATED = 0.23
"""The share of requests that repeat an earlier one word for word, as seen in production."""

_SIZES = {"banking77": 10_000, "clinc150": 16_000, "bitext_support": 4_000, "hwu64_slots": 10_000}


class Phrasing(msgspec.Struct, frozen=True):
    """A question, and the name of what it asks: two of one name have the same answer."""

    text: str
    asks: str


class QuestionSet(msgspec.Struct, frozen=True):
    """Questions that people asked, with what they ask."""

    name: str
    phrasings: tuple[Phrasing, ...]
    requests: int
    """The length of a stream of them."""


def read_sets(folder: Path) -> tuple[QuestionSet, ...]:
    """Return the sets in a folder of CSV files with the columns `text` and `intent`.

    What `slots` or `entity_value` says is a part of the question, too. Each question out of scope (`oos`) is its own.
    Of texts that are written alike, the first stays.
    """
    return tuple(_read_set(path) for path in sorted(folder.glob("*.csv")))


def stream(questions: QuestionSet, seed: int, *, requests: int | None = None) -> Iterator[Phrasing]:
    """Yield the requests of one simulated scope: classes by Zipf's law, as many as stated or as the set has."""
    coin = random.Random(seed)  # a simulation
    classes: dict[str, list[Phrasing]] = {}
    for phrasing in questions.phrasings:
        classes.setdefault(phrasing.asks, []).append(phrasing)
    names = sorted(classes)
    coin.shuffle(names)
    for name in names:
        coin.shuffle(classes[name])
    weights = [1.0 / rank for rank in range(1, len(names) + 1)]
    asked: list[Phrasing] = []
    while len(asked) < (requests or questions.requests):
        if asked and coin.random() < _REPEATED:
            asked.append(coin.choice(asked))
        else:
            place = coin.choices(range(len(names)), weights)[0]
            asked.append(classes[names[place]].pop())
            if not classes[names[place]]:
                del names[place], weights[place]
                if not names:
                    yield asked[-1]
                    return
        yield asked[-1]


def _read_set(path: Path) -> QuestionSet:
    phrasings: dict[str, Phrasing] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            text = row["text"].strip()
            intent = f"oos: {text}" if row["intent"] == "oos" else row["intent"]
            parts = (intent, row.get("slots") or "", row.get("entity_value") or "")
            phrasings.setdefault(text.casefold(), Phrasing(text, "|".join(parts)))
    return QuestionSet(path.stem, tuple(phrasings.values()), _SIZES.get(path.stem, min(len(phrasings), 10_000)))
