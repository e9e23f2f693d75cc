"""An answer is stored if the next caller with the same question could use it."""

from typing import Any

import pytest

from tidegate.wire.shapes.worth_storing import AnswerFacts, NotStored, why_not_stored


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, None),
        ({"reasons": ("tool_calls",)}, None),
        ({"reasons": ("function_call",)}, None),
        ({"reasons": ("stop", "length")}, None),
        ({"reasons": ("length",)}, None),
        ({"reasons": ("completed",)}, None),
        ({"reasons": ("max_output_tokens",)}, None),
        ({"reasons": ("eos",)}, None),
        ({"reasons": ("STOP",)}, None),
        ({"wants_json": True}, None),
        ({"is_limited": False}, None),
        ({"reasons": ("length",), "is_limited": False}, NotStored.CUT),
        ({"reasons": ("length",), "wants_json": True}, NotStored.CUT),
        ({"reasons": ("max_output_tokens",), "wants_json": True}, NotStored.CUT),
        ({"reasons": ("length",), "has_output": False}, NotStored.EMPTY),
        ({"reasons": ("length",), "has_unusable_call": True}, NotStored.UNUSABLE_CALL),
        ({"reasons": ()}, NotStored.UNFINISHED),
        ({"reasons": ("",)}, NotStored.UNFINISHED),
        ({"reasons": ("stop", "")}, NotStored.UNFINISHED),
        ({"reasons": ("content_filter",)}, NotStored.FAILED),
        ({"reasons": ("stop", "content_filter")}, NotStored.FAILED),
        ({"reasons": ("error",)}, NotStored.FAILED),
        ({"reasons": ("insufficient_system_resource",)}, NotStored.FAILED),
        ({"reasons": ("malformed_function_call",)}, NotStored.FAILED),
        ({"reasons": ("a_new_reason",)}, NotStored.FAILED),
        ({"reasons": ("failed",)}, NotStored.FAILED),
        ({"reasons": ("cancelled",)}, NotStored.FAILED),
        ({"reasons": ("in_progress",)}, NotStored.FAILED),
        ({"is_refused": True}, NotStored.REFUSED),
        ({"has_unusable_call": True}, NotStored.UNUSABLE_CALL),
        ({"has_output": False}, NotStored.EMPTY),
        ({"reasons": ("tool_calls",), "has_output": False}, NotStored.EMPTY),
    ],
)
def test_what_is_stored(facts: dict[str, Any], why: NotStored | None) -> None:
    assert why_not_stored(AnswerFacts(**facts)) is why
