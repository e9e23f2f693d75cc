"""Functions and custom tools are translated with every choice of tools; OpenAI's built-in tools are rejected."""

from typing import Any

import pytest

from tidegate.core.errors import InvalidParameter, NotTranslatable
from tidegate.wire.translate.tools import tools_of

Json = dict[str, Any]

TIDE: Json = {"type": "function", "name": "tide", "description": "d", "parameters": {"type": "object"}, "strict": True}
WIND: Json = {"type": "function", "name": "wind", "parameters": None, "strict": None, "description": None}
LOG: Json = {"type": "custom", "name": "log", "description": "d"}
CHAT_TIDE: Json = {
    "type": "function",
    "function": {"name": "tide", "description": "d", "parameters": {"type": "object"}, "strict": True},
}
CHAT_WIND: Json = {"type": "function", "function": {"name": "wind"}}
CHAT_LOG: Json = {"type": "custom", "custom": {"name": "log", "description": "d"}}
ALL = [TIDE, WIND, LOG]
CHAT_ALL = [CHAT_TIDE, CHAT_WIND, CHAT_LOG]
WAYS = ("none", "auto", "required")
GRAMMAR: Json = {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}


def allowed(mode: str, *tools: Json) -> Json:
    return {
        "type": "allowed_tools",
        "mode": mode,
        "tools": [{"type": tool["type"], "name": tool["name"]} for tool in tools],
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {}),
        ({"tools": [], "tool_choice": "auto", "parallel_tool_calls": False}, {}),
        ({"tools": ALL}, {"tools": CHAT_ALL}),
        ({"tools": ALL, "parallel_tool_calls": False}, {"tools": CHAT_ALL, "parallel_tool_calls": False}),
        *(({"tools": ALL, "tool_choice": way}, {"tools": CHAT_ALL, "tool_choice": way}) for way in WAYS),
        (
            {"tools": ALL, "tool_choice": {"type": "function", "name": "wind"}},
            {"tools": CHAT_ALL, "tool_choice": {"type": "function", "function": {"name": "wind"}}},
        ),
        (
            {"tools": ALL, "tool_choice": {"type": "custom", "name": "log"}},
            {"tools": CHAT_ALL, "tool_choice": {"type": "custom", "custom": {"name": "log"}}},
        ),
        ({"tools": ALL, "tool_choice": allowed("auto", TIDE)}, {"tools": [CHAT_TIDE], "tool_choice": "auto"}),
        (
            {"tools": ALL, "tool_choice": allowed("required", TIDE, LOG)},
            {"tools": [CHAT_TIDE, CHAT_LOG], "tool_choice": "required"},
        ),
        (
            {"tools": [{**LOG, "format": {"type": "text"}}]},
            {"tools": [{"type": "custom", "custom": {"name": "log", "description": "d", "format": {"type": "text"}}}]},
        ),
        (
            {"tools": [{"type": "custom", "name": "g", "format": GRAMMAR}]},
            {
                "tools": [
                    {
                        "type": "custom",
                        "custom": {
                            "name": "g",
                            "format": {
                                "type": "grammar",
                                "grammar": {"syntax": "lark", "definition": "start: /x/"},
                            },
                        },
                    }
                ]
            },
        ),
    ],
)  # fmt: skip
def test_tools_cross_over(body: Json, expected: Json) -> None:
    assert tools_of(body) == expected


@pytest.mark.parametrize(
    "kind", ["web_search", "file_search", "code_interpreter", "mcp", "image_generation", "namespace"]
)
def test_a_tool_that_openai_runs_itself_is_refused_by_its_name(kind: str) -> None:
    with pytest.raises(NotTranslatable, match=f"`{kind}`") as refused:
        tools_of({"tools": [TIDE, {"type": kind}]})
    assert refused.value.param == "tools[1].type"


@pytest.mark.parametrize("choice", [{"type": "web_search_preview"}, {"type": "mcp", "server_label": "s"}, 7, "maybe"])
def test_so_is_the_choice_of_one(choice: Any) -> None:
    with pytest.raises(NotTranslatable):
        tools_of({"tools": ALL, "tool_choice": choice})


@pytest.mark.parametrize(
    "body",
    [
        {"tools": {"type": "function"}},
        {"tools": [{"type": "function"}]},
        {"tools": ALL, "tool_choice": {"type": "function", "name": "nobody"}},
        {"tools": [TIDE], "tool_choice": allowed("auto", LOG)},
        {"tools": [TIDE], "tool_choice": {"type": "allowed_tools", "mode": "sometimes", "tools": []}},
    ],
)
def test_a_mistake_is_the_callers(body: Json) -> None:
    with pytest.raises(InvalidParameter):
        tools_of(body)
