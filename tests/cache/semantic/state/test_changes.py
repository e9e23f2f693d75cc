"""Each change of a scope is the same after it was stored."""

import pytest

from tidegate.cache.semantic.question import shipped_reader
from tidegate.cache.semantic.scope import (
    AliasRemoved,
    AliasSet,
    KnownText,
    ScopeChange,
    TextForgotten,
    TextLearned,
    VerdictNoted,
)
from tidegate.cache.semantic.state.changes import LabelNoted, decode_changes, encode_change

READER = shipped_reader()


@pytest.mark.parametrize(
    "change",
    [
        TextLearned(key="how tall is it", known=KnownText(answer="a1", is_alias=True, risk=0.01, repeats=3)),
        TextForgotten(key="how tall is it"),
        AliasSet(
            question=READER.read("How do I pay 20 \u20ac? \u0627\u0644\u062f\u0641\u0639 \U0001f30a"), answer="a1"
        ),
        AliasRemoved(key="how tall is it"),
        VerdictNoted(answer="a1", right=False),
        LabelNoted(row=(1.0, 0.1, -0.2, 0.3, 1.0), right=True, weight=1.25),
    ],
    ids=lambda change: type(change).__name__,
)
def test_a_change_is_read_as_it_was_written(change: ScopeChange | LabelNoted) -> None:
    assert decode_changes([encode_change(change)], READER) == [change]
