"""Translate the tools of a Responses request, and the choice of tools, to chat."""

from collections.abc import Mapping
from typing import Any

from tidegate.core.errors import InvalidParameter, MissingParameter, NotTranslatable, WrongType

Json = dict[str, Any]

CHAT_TOOLS = ("function", "custom")
"""The tools that chat has; OpenAI runs all other tools itself."""

_FUNCTION = ("name", "description", "parameters", "strict")
_CUSTOM = ("name", "description")
_MODES = ("none", "auto", "required")


def tools_of(body: Mapping[str, Any]) -> Json:
    """Return `tools`, `tool_choice` and `parallel_tool_calls`; chat accepts the last two only with tools."""
    offered = body.get("tools") or []
    if not isinstance(offered, list):
        raise WrongType.of("tools", "an array of objects", offered)
    tools = [_tool(tool, f"tools[{number}]") for number, tool in enumerate(offered)]
    choice = body.get("tool_choice")
    tools, tool_choice = _choose(tools, choice)
    if not tools:
        return {}
    parameters: Json = {"tools": tools}
    if tool_choice is not None:
        parameters["tool_choice"] = tool_choice
    if body.get("parallel_tool_calls") is not None:
        parameters["parallel_tool_calls"] = body["parallel_tool_calls"]
    return parameters


def _tool(tool: Any, at: str) -> Json:
    kind = tool.get("type") if isinstance(tool, Mapping) else None
    if kind not in CHAT_TOOLS:
        raise NotTranslatable(
            f"`{at}` is the tool `{kind}`, which chat completions do not support: only functions and custom tools.",
            param=f"{at}.type",
        )
    if not isinstance(tool.get("name"), str):
        raise MissingParameter.of(f"{at}.name")
    if kind == "function":
        return {"type": "function", "function": _present_fields(tool, _FUNCTION)}
    return {"type": "custom", "custom": {**_present_fields(tool, _CUSTOM), **_custom_format(tool.get("format"))}}


def _present_fields(tool: Mapping[str, Any], names: tuple[str, ...]) -> Json:
    return {name: tool[name] for name in names if tool.get(name) is not None}


def _custom_format(input_format: Any) -> Json:
    if not isinstance(input_format, Mapping):
        return {}
    if input_format.get("type") != "grammar":
        return {"format": dict(input_format)}
    grammar = {name: value for name, value in input_format.items() if name != "type"}
    return {"format": {"type": "grammar", "grammar": grammar}}


def _choose(tools: list[Json], choice: Any) -> tuple[list[Json], Any]:
    """Return the tools that may be called, and chat's `tool_choice`.

    Tools that are not allowed are removed: this works with providers that do not know `allowed_tools`, too.
    """
    if choice is None or choice in _MODES:
        return tools, choice
    kind = choice.get("type") if isinstance(choice, Mapping) else None
    if kind in CHAT_TOOLS:
        name = choice.get("name")
        if name not in [_name(tool) for tool in tools]:
            raise InvalidParameter(f"Tool choice '{name}' not found in 'tools' parameter.", param="tool_choice")
        return tools, {"type": kind, kind: {"name": name}}
    if kind == "allowed_tools":
        return _allowed(tools, choice)
    raise NotTranslatable(f"`tool_choice` of `{kind or choice}` does not exist in chat.", param="tool_choice")


def _allowed(tools: list[Json], choice: Mapping[str, Any]) -> tuple[list[Json], Any]:
    mode, allowed = choice.get("mode", "auto"), choice.get("tools")
    if mode not in _MODES or not isinstance(allowed, list):
        raise InvalidParameter("`tool_choice` needs a `mode` and `tools`.", param="tool_choice")
    names = [(tool.get("type"), tool.get("name")) for tool in allowed if isinstance(tool, Mapping)]
    remaining = [tool for tool in tools if (tool["type"], _name(tool)) in names]
    offered = [(tool["type"], _name(tool)) for tool in tools]
    if any(name not in offered for name in names):
        raise InvalidParameter("`tool_choice` allows a tool that is not in `tools`.", param="tool_choice")
    return remaining, mode


def _name(tool: Json) -> Any:
    return tool[tool["type"]]["name"]
