"""Each field that a translation drops is listed once."""

from typing import Any

import pytest

from tidegate.wire.translate.unsupported import TRANSLATION_NOTE, unsupported_fields

Json = dict[str, Any]
REASONING: Json = {"type": "reasoning", "summary": []}
TOOL: Json = {"type": "function", "name": "f", "output_schema": {"a": 1}}
USER: Json = {"role": "user", "content": "x"}


@pytest.mark.parametrize(
    ("request_body", "expected"),
    [
        ({}, ()),
        ({"input": "x", "truncation": "disabled", "max_tool_calls": None, "stream_options": {}}, ()),
        ({"truncation": "auto", "max_tool_calls": 2}, ("max_tool_calls: dropped", "truncation: dropped")),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, ("reasoning.summary: dropped",)),
        (
            {"tools": [{"type": "function", "name": "f", "output_schema": {"a": 1}}] * 2},
            ("tools.output_schema: dropped",),
        ),
        ({"input": [REASONING, USER, REASONING]}, ("input.reasoning: dropped",)),
        ({"input": [{"type": "web_search_call"}]}, ("input.web_search_call: dropped",)),
    ],
)
def test_what_is_left_out_is_told(request_body: Json, expected: tuple[str, ...]) -> None:
    assert unsupported_fields({"model": "m", **request_body}) == (TRANSLATION_NOTE, *expected)


def test_reasoning_that_is_given_back_is_not_lost() -> None:
    assert unsupported_fields({"input": [REASONING, {"type": "file_search_call"}]}, keeps_reasoning=True) == (
        TRANSLATION_NOTE,
        "input.file_search_call: dropped",
    )
