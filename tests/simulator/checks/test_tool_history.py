"""Each result of a tool answers a call before it, and each call has its result."""

import pytest

from tests.simulator.checks.requests import CALLED, CALLS, OUTPUT, RESULT, USER, Refused, param_and_code, respond, says
from tests.simulator.client import Json

REFUSED: list[Refused] = [
    ("responses", respond(input=[{**USER, "id": "msg_1"}, {**USER, "id": "msg_1"}]), "input", None),
    ("chat", says(RESULT), "messages.[0].role", None),
    ("chat", says(USER, RESULT), "messages.[1].role", None),
    ("chat", says(USER, CALLS, USER), "messages", None),
    ("chat", says(USER, CALLS), "messages", None),
    ("chat", says(CALLS, {**RESULT, "tool_call_id": "c2"}), "messages.[1].tool_call_id", None),
    ("chat", says(CALLS, RESULT, RESULT), "messages.[2].tool_call_id", None),
    ("responses", respond(input=[OUTPUT]), "input", None),
    ("responses", respond(input=[OUTPUT, CALLED]), "input", None),
    ("responses", respond(input=[CALLED, USER]), "input", None),
]  # fmt: skip


@pytest.mark.parametrize(("route", "body", "param", "code"), REFUSED, ids=range(len(REFUSED)))
def test_what_openai_refuses_is_refused(route: str, body: Json, param: str | None, code: str | None) -> None:
    assert param_and_code(route, body) == (param, code)
