"""A Response's parameters, items, tools and formats have OpenAI's types and values."""

import pytest

from tests.simulator.checks.requests import CALLED, FUNCTION, OUTPUT, Refused, param_and_code, respond
from tests.simulator.client import Json

REFUSED: list[Refused] = [
    ("responses", respond(stop=["x"]), "stop", "unknown_parameter"),
    ("responses", respond(truncation="some"), "truncation", "invalid_value"),
    ("responses", respond(max_output_tokens=15), "max_output_tokens", "integer_below_min_value"),
    ("responses", respond(include=["everything"]), "include[0]", "invalid_value"),
    ("responses", respond(text={"verbosity": "loud"}), "text.verbosity", "invalid_value"),
    ("responses", respond(conversation={}), "conversation.id", "missing_required_parameter"),
    ("responses", respond(prompt={}), "prompt.id", "missing_required_parameter"),
    ("responses", respond(model="o3", reasoning={"summary": "long"}), "reasoning.summary", "invalid_value"),
    ("responses", respond(input=5), "input", "invalid_type"),
    ("responses", respond(input=["x"]), "input[0]", "invalid_type"),
    ("responses", respond(input=[{"role": "nobody", "content": "x"}]), "input[0].role", "invalid_value"),
    ("responses", respond(input=[{"type": "tide_call"}]), "input[0].type", "invalid_value"),
    ("responses", respond(input=[{"role": "user", "content": [{"type": "text", "text": "x"}]}]),
     "input[0].content[0].type", "invalid_value"),
    ("responses", respond(input=[{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]),
     "input[0].content[0].type", "invalid_value"),
    ("responses", respond(input=[{**CALLED, "parsed_arguments": {}}, OUTPUT]), "input[0].parsed_arguments",
     "unknown_parameter"),
    ("responses", respond(input=[{"type": "function_call", "name": "f", "arguments": "{}"}]), "input[0].call_id",
     "missing_required_parameter"),
    ("responses", respond(input=[{**CALLED, "type": "custom_tool_call", "input": "x"}, OUTPUT]), "input[0].arguments",
     "unknown_parameter"),
    ("responses", respond(tools=[FUNCTION]), "tools[0].name", "missing_required_parameter"),
    ("responses", respond(tools=[{"type": "hammer"}]), "tools[0].type", "invalid_value"),
    ("responses", respond(tools=[{"type": "file_search"}]), "tools[0].vector_store_ids", "missing_required_parameter"),
    ("responses", respond(tools=[{"type": "web_search", "search_context_size": "huge"}]),
     "tools[0].search_context_size", "invalid_value"),
    ("responses", respond(tools=[{"type": "image_generation", "size": "17 inches"}]), "tools[0].size",
     "invalid_value"),
    ("responses", respond(tools=[{"type": "image_generation", "partial_images": 4}]), "tools[0].partial_images",
     "integer_above_max_value"),
    ("responses", respond(text={"format": {"type": "json_schema", "name": "n"}}), "text.format.schema",
     "missing_required_parameter"),
]  # fmt: skip


@pytest.mark.parametrize(("route", "body", "param", "code"), REFUSED, ids=range(len(REFUSED)))
def test_what_openai_refuses_is_refused(route: str, body: Json, param: str | None, code: str | None) -> None:
    assert param_and_code(route, body) == (param, code)
