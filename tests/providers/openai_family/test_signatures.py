"""Signatures of tool calls are left out of a request, and everything else is kept."""

from typing import Any

import msgspec
import pytest

from tidegate.providers.openai_family.signatures import are_signed, without_signatures

CALL = {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "a"}
SIGNED = {**CALL, "extra_content": {"google": {"thought_signature": "s"}}}


def test_items_lose_their_signatures_only() -> None:
    items = [SIGNED, {"role": "user", "content": {"extra_content": 1}}, None]

    assert msgspec.json.decode(without_signatures(items)) == [CALL, *items[1:]]


@pytest.mark.parametrize(("items", "signed"), [([SIGNED], True), ([CALL], False), ([None, "extra_content"], False)])
def test_signed_items_are_found(items: list[Any], signed: bool) -> None:
    assert are_signed(items) is signed
