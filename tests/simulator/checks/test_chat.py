"""A chat's parameters, messages, tools and formats have OpenAI's types and values."""

import pytest

from tests.simulator.checks.requests import (
    CALLS,
    FUNCTION,
    PIXEL,
    TOOL,
    USER,
    Refused,
    chat,
    param_and_code,
    says,
    shows,
)
from tests.simulator.client import Json

REFUSED: list[Refused] = [
    ("chat", chat(n=True), "n", "invalid_type"),
    ("chat", chat(n=0), "n", "integer_below_min_value"),
    ("chat", chat(n=129), "n", "integer_above_max_value"),
    ("chat", chat(max_tokens=0), "max_tokens", "integer_below_min_value"),
    ("chat", chat(stop=list("abcde")), "stop", "array_above_max_length"),
    ("chat", chat(stop=[]), "stop", "empty_array"),
    ("chat", chat(stop=[1]), "stop[0]", "invalid_type"),
    ("chat", chat(model="o3", reasoning_effort="huge"), "reasoning_effort", "invalid_value"),
    ("chat", chat(modalities=["smell"]), "modalities[0]", "invalid_value"),
    ("chat", chat(thinking=True), "thinking", "unknown_parameter"),
    ("chat", {"model": "gpt-4o"}, "messages", "missing_required_parameter"),
    ("chat", says(), "messages", "empty_array"),
    ("chat", chat(messages="x"), "messages", "invalid_type"),
    ("chat", says("x"), "messages[0]", "invalid_type"),
    ("chat", says({"content": "x"}), "messages[0].role", "missing_required_parameter"),
    ("chat", says({"role": "nobody", "content": "x"}), "messages[0].role", "invalid_value"),
    ("chat", says({"role": 7, "content": "x"}), "messages[0].role", "invalid_type"),
    ("chat", says({"role": "user"}), "messages[0].content", "missing_required_parameter"),
    ("chat", says({"role": "user", "content": 5}), "messages[0].content", "invalid_type"),
    ("chat", says({"role": "user", "content": [{"type": "song"}]}), "messages[0].content[0].type", "invalid_value"),
    ("chat", says({"role": "user", "content": [{"type": "text"}]}), "messages[0].content[0].text",
     "missing_required_parameter"),
    ("chat", says({**USER, "name": "a b"}), "messages[0].name", "invalid_value"),
    ("chat", says({**CALLS, "tool_calls": []}), "messages[0].tool_calls", "empty_array"),
    ("chat", says(CALLS, {"role": "tool", "content": "1"}), "messages[1].tool_call_id", "missing_required_parameter"),
    ("chat", chat(tools=[]), "tools", "empty_array"),
    ("chat", chat(tools=[FUNCTION] * 129), "tools", "array_above_max_length"),
    ("chat", chat(tools=[{"function": {"name": "f"}}]), "tools[0].type", "missing_required_parameter"),
    ("chat", chat(tools=[{"type": "hammer"}]), "tools[0].type", "invalid_value"),
    ("chat", chat(tools=[TOOL]), "tools[0].function", "missing_required_parameter"),
    ("chat", chat(tools=[{"type": "function", "function": {}}]), "tools[0].function.name",
     "missing_required_parameter"),
    ("chat", chat(tools=[{"type": "function", "function": {"name": ""}}]), "tools[0].function.name", "empty_string"),
    ("chat", chat(tools=[{"type": "function", "function": {"name": "a b"}}]), "tools[0].function.name",
     "invalid_value"),
    ("chat", chat(tools=[{"type": "function", "function": {"name": "x" * 65}}]), "tools[0].function.name",
     "string_above_max_length"),
    ("chat", chat(tools=[FUNCTION], tool_choice="any"), "tool_choice", "invalid_value"),
    ("chat", chat(response_format={"type": "xml"}), "response_format.type", "invalid_value"),
    ("chat", chat(response_format={"type": "json_schema"}), "response_format.json_schema",
     "missing_required_parameter"),
    ("chat", chat(response_format={"type": "json_schema", "json_schema": {}}), "response_format.json_schema.name",
     "missing_required_parameter"),
    ("chat", shows(PIXEL, detail="huge"), "messages[0].content[0].image_url.detail", "invalid_value"),
]  # fmt: skip


@pytest.mark.parametrize(("route", "body", "param", "code"), REFUSED, ids=range(len(REFUSED)))
def test_what_openai_refuses_is_refused(route: str, body: Json, param: str | None, code: str | None) -> None:
    assert param_and_code(route, body) == (param, code)
