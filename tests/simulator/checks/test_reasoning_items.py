"""Reasoning that is sent back can be read, and stands before what it led to."""

import pytest

from tests.simulator.checks.requests import CALLED, OUTPUT, USER, respond
from tests.simulator.client import Json
from tidegate.simulator.checks.parameters import check
from tidegate.simulator.checks.reasoning_items import StoredReasoning
from tidegate.simulator.refusal import Refusal

SAID: Json = {"role": "assistant", "content": "x"}
STORED: Json = {"type": "reasoning", "id": "rs_1", "summary": []}
SEALED: Json = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAAAx"}


def stored() -> StoredReasoning:
    known = StoredReasoning()
    known.remember({"output": [{"type": "reasoning", "id": "rs_1"}, {"type": "message", "id": "msg_1"}]})
    return known


@pytest.mark.parametrize(
    "items",
    [
        [USER, STORED, SAID, USER],
        [SEALED, SAID],
        [SEALED, STORED, CALLED, OUTPUT],
        [SEALED, CALLED, OUTPUT, STORED, SAID],
    ],
)
def test_reasoning_before_what_it_led_to_is_taken(items: list[Json]) -> None:
    check("responses", respond(input=items), stored())


@pytest.mark.parametrize(
    ("items", "status", "param", "code"),
    [
        ([USER, SEALED], 400, "input", None),
        ([SEALED, USER], 400, "input", None),
        ([CALLED, SEALED, OUTPUT], 400, "input", None),
        ([{**STORED, "id": "rs_9"}, SAID], 404, "input", None),
        ([{**SEALED, "encrypted_content": "garbage"}, SAID], 400, None, "invalid_encrypted_content"),
    ],
)
def test_other_reasoning_is_refused(items: list[Json], status: int, param: str | None, code: str | None) -> None:
    with pytest.raises(Refusal) as refused:
        check("responses", respond(input=items), stored())
    error = refused.value.error
    assert (refused.value.status, error["param"], error["code"]) == (status, param, code)


def test_the_oldest_stored_reasoning_is_forgotten() -> None:
    known = stored()
    known.remember({"output": [{"type": "reasoning", "id": f"rs_new_{number}"} for number in range(1000)]})
    assert "rs_1" not in known
    assert "rs_new_999" in known
