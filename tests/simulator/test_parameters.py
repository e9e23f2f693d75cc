"""Invalid parameters are refused in OpenAI's words, as an official client receives them."""

from typing import Any

import pytest

from tidegate.simulator.parameters import check
from tidegate.simulator.refusal import Refusal

ROLES = "'assistant', 'system', 'developer', and 'user'"


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("responses", {"input": "x", "temperature": 1, "top_p": 0.5, "store": False, "truncation": "auto"}),
        ("responses", {"input": [{"role": "user", "content": "x"}, {"type": "function_call_output", "call_id": "1"}]}),
        ("responses", {"input": [], "tools": None, "instructions": None, "text": {"format": {"type": "text"}}}),
        ("chat", {"messages": [], "n": 2, "presence_penalty": -2, "max_tokens": 1}),
        ("embeddings", {"input": 7, "temperature": "hot"}),
    ],
)
def test_what_openai_takes_is_taken(route: str, body: dict[str, Any]) -> None:
    check(route, body)


@pytest.mark.parametrize(
    ("route", "name", "value", "param", "code", "message"),
    [
        (
            "responses", "temperature", "hot", "temperature", "invalid_type",
            "Invalid type for 'temperature': expected a decimal, but got a string instead.",
        ),
        (
            "chat", "temperature", 5, "temperature", "decimal_above_max_value",
            "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 5 instead.",
        ),
        (
            "responses", "max_output_tokens", 0, "max_output_tokens", "integer_below_min_value",
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 1, but got 0 instead.",
        ),
        (
            "chat", "n", True, "n", "invalid_type",
            "Invalid type for 'n': expected an integer, but got a boolean instead.",
        ),
        (
            "responses", "truncation", "some", "truncation", "invalid_value",
            "Invalid value: 'some'. Supported values are: 'auto' and 'disabled'.",
        ),
        (
            "responses", "input", 5, "input", "invalid_type",
            "Invalid type for 'input': expected one of a string or an array of objects, but got an integer instead.",
        ),
        (
            "responses", "input", ["x"], "input[0]", "invalid_type",
            "Invalid type for 'input[0]': expected an object, but got a string instead.",
        ),
        (
            "responses", "input", [{"role": "nobody"}], "input[0].role", "invalid_value",
            f"Invalid value: 'nobody'. Supported values are: {ROLES}.",
        ),
    ],
)  # fmt: skip
def test_what_openai_refuses_is_refused(  # the columns of the table
    route: str, name: str, value: Any, param: str, code: str, message: str
) -> None:
    with pytest.raises(Refusal) as refused:
        check(route, {name: value})
    assert refused.value.error == {"message": message, "type": "invalid_request_error", "param": param, "code": code}
