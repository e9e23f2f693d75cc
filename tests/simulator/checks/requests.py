"""Requests to check, and what a refusal says of one."""

from typing import Any

import pytest

from tests.simulator.client import SCHEMA, Json
from tidegate.simulator.checks.parameters import check
from tidegate.simulator.refusal import Refusal

Refused = tuple[str, Json, str | None, str | None]
"""A row of a table: route, body, and the parameter and code of the refusal."""

USER: Json = {"role": "user", "content": "x"}
CALL: Json = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLS: Json = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT: Json = {"role": "tool", "tool_call_id": "c1", "content": "1"}
FUNCTION: Json = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
TOOL: Json = {"type": "function", "name": "f", "parameters": SCHEMA}
CALLED: Json = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
OUTPUT: Json = {"type": "function_call_output", "call_id": "c1", "output": "1"}
PIXEL = "data:image/png;base64,iVBORw0KGgo="
LONG = {str(number): "x" for number in range(17)}


def chat(**more: Any) -> Json:
    return {"model": "gpt-4o", "messages": [USER], **more}


def says(*messages: Any, **more: Any) -> Json:
    return chat(messages=list(messages), **more)


def respond(**more: Any) -> Json:
    return {"model": "gpt-4o", "input": "x", **more}


def shows(url: Any, **more: Any) -> Json:
    return says({"role": "user", "content": [{"type": "image_url", "image_url": {"url": url, **more}}]})


def structured(schema: Json, *, strict: bool = True) -> Json:
    form = {"name": "n", "schema": schema, "strict": strict}
    return chat(response_format={"type": "json_schema", "json_schema": form})


def refused(route: str, body: Json) -> Refusal:
    """Return the refusal of a request, which must have OpenAI's status and type."""
    with pytest.raises(Refusal) as caught:
        check(route, body)
    assert (caught.value.status, caught.value.error["type"]) == (400, "invalid_request_error")
    return caught.value


def param_and_code(route: str, body: Json) -> tuple[object, object]:
    """Return the parameter that a refusal names, and its code."""
    error = refused(route, body).error
    return error["param"], error["code"]
