"""Questions that lie near to another one and have another answer: opposites, numbers, names, dates, order, negation."""

from pathlib import Path
from typing import NamedTuple


class Trap(NamedTuple):
    """Phrasings that were answered, and a question that their answer would answer wrongly."""

    kind: str
    phrasings: tuple[str, ...]
    question: str


def traps() -> list[Trap]:
    """Return the traps of `traps.txt`, in English, German, French, Spanish and Portuguese.

    A line names the kind, the phrasings between ` / `, and the question, between ` | `.
    """
    found = []
    for line in Path(__file__).with_name("traps.txt").read_text(encoding="utf-8").splitlines():
        kind, phrasings, question = (part.strip() for part in line.split(" | "))
        found.append(Trap(kind, tuple(each.strip() for each in phrasings.split(" / ")), question))
    return found
