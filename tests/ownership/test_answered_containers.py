"""A container that a tool made is found in each form of an answer, and what a caller wrote is not."""

import json
from typing import Any

import pytest

from tidegate.ownership.answered_containers import MARK, answered_containers

ID = "cntr_67f1a2b3c4d5"
CALL = {"type": "code_interpreter_call", "id": "ci_1", "container_id": ID, "code": "print('cntr_other1')"}


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"object": "response", "output": [{"type": "message"}, CALL]}, [ID]),
        ({"type": "response.output_item.added", "item": CALL}, [ID]),
        ({"type": "response.completed", "response": {"output": [CALL, CALL]}}, [ID, ID]),
        (
            {"output": [{"type": "shell_call", "environment": {"type": "container_reference", "container_id": ID}}]},
            [ID],
        ),
        ({"output": [], "metadata": {"container_id": ID}, "container_id": ID}, []),
        ({"output": [{"type": "message", "content": [{"text": ID}]}], "tools": [{"container": ID}]}, []),
        ({"output": [{"container_id": 7}, {"container_id": "other"}, None]}, []),
        ({"output": ID, "item": ID, "response": ID}, []),
        ([CALL], []),
    ],
)
def test_containers_of_output_items_are_found(document: Any, found: list[str]) -> None:
    text = json.dumps(document).encode()
    assert list(answered_containers(text)) == found
    assert MARK in text or not found


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_cannot_be_read_has_none(text: bytes) -> None:
    assert list(answered_containers(text)) == []
