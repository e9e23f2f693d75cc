"""The changes of a scope as they are stored: JSON objects, in the order in which every process applies them."""

from collections.abc import Iterable

import msgspec

from tidegate.cache.semantic.calibration import Row
from tidegate.cache.semantic.question import QuestionReader
from tidegate.cache.semantic.scope import (
    AliasRemoved,
    AliasSet,
    ScopeChange,
    TextForgotten,
    TextLearned,
    VerdictNoted,
)


class PhrasingSet(msgspec.Struct, frozen=True, kw_only=True, tag="alias"):
    """An `AliasSet`, with its question as text."""

    key: str
    answer: str


class LabelNoted(msgspec.Struct, frozen=True, kw_only=True, tag="label"):
    """A verdict, as the calibration of the scope learns from it."""

    row: Row
    right: bool
    weight: float = 1.0


StoredChange = TextLearned | TextForgotten | PhrasingSet | AliasRemoved | VerdictNoted | LabelNoted
_decoder = msgspec.json.Decoder(StoredChange)
_encode = msgspec.json.Encoder().encode


def encode_change(change: ScopeChange | LabelNoted) -> str:
    """Return a change as JSON."""
    if isinstance(change, AliasSet):
        return _encode(PhrasingSet(key=change.question.key, answer=change.answer)).decode()
    return _encode(change).decode()


def decode_changes(texts: Iterable[str | bytes], reader: QuestionReader) -> list[ScopeChange | LabelNoted]:
    """Return the changes that were stored. Raises msgspec.MsgspecError."""
    found: list[ScopeChange | LabelNoted] = []
    for text in texts:
        change = _decoder.decode(text)
        if isinstance(change, PhrasingSet):
            found.append(AliasSet(question=reader.read(change.key), answer=change.answer))
        else:
            found.append(change)
    return found
