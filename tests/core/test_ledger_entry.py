"""A ledger entry is immutable, and a new one has cost nothing."""

import msgspec
import pytest

from tidegate.core.ledger_entry import LedgerEntry


@pytest.mark.parametrize("kind", [LedgerEntry])
def test_an_entry_is_frozen_and_named(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen
    with pytest.raises(TypeError, match="positional"):
        kind("x")


def test_an_entry_begins_without_tokens_and_cost() -> None:
    entry = LedgerEntry(
        id="req_1",
        at=1.0,
        project="shop",
        key_id="key",
        end_user=None,
        route="chat",
        model="gpt-4o-mini",
        outcome="ok",
        cache="miss",
        stream=False,
    )
    assert (entry.input_tokens, entry.output_tokens, entry.cost_nanos, entry.attempts) == (0, 0, 0, 0)
    assert not entry.estimated
