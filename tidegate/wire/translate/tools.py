"""The tools of a Responses request, and which of them may be called, as chat says it."""

from collections.abc import Mapping
from typing import Any

from tidegate.core.errors import InvalidParameter, MissingParameter, NotTranslatable, WrongType

Json = dict[str, Any]

CHAT_TOOLS = ("function", "custom")
"""What chat has; all other tools are run by OpenAI itself."""

_FUNCTION = ("name", "description", "parameters", "strict")
_CUSTOM = ("name", "description")
_MODES = ("none", "auto", "required")


def tools_of(body: Mapping[str, Any]) -> Json:
    """`tools`, `tool_choice` and `parallel_tool_calls`; the last two only beside tools, as chat takes them."""
    offered = body.get("tools") or []
    if not isinstance(offered, list):
        raise WrongType.of("tools", "an array of objects", offered)
    tools = [_tool(tool, f"tools[{number}]") for number, tool in enumerate(offered)]
    choice = body.get("tool_choice")
    tools, chosen = _chosen(tools, choice)
    if not tools:
        return {}
    made: Json = {"tools": tools}
    if chosen is not None:
        made["tool_choice"] = chosen
    if body.get("parallel_tool_calls") is not None:
        made["parallel_tool_calls"] = body["parallel_tool_calls"]
    return made


def _tool(tool: Any, at: str) -> Json:
    kind = tool.get("type") if isinstance(tool, Mapping) else None
    if kind not in CHAT_TOOLS:
        raise NotTranslatable(
            f"`{at}` is the tool `{kind}`, which is not one of chat completions: only functions and custom tools are.",
            param=f"{at}.type",
        )
    if not isinstance(tool.get("name"), str):
        raise MissingParameter.of(f"{at}.name")
    if kind == "function":
        return {"type": "function", "function": _given(tool, _FUNCTION)}
    return {"type": "custom", "custom": {**_given(tool, _CUSTOM), **_custom_format(tool.get("format"))}}


def _given(tool: Mapping[str, Any], names: tuple[str, ...]) -> Json:
    return {name: tool[name] for name in names if tool.get(name) is not None}


def _custom_format(form: Any) -> Json:
    if not isinstance(form, Mapping):
        return {}
    if form.get("type") != "grammar":
        return {"format": dict(form)}
    grammar = {name: value for name, value in form.items() if name != "type"}
    return {"format": {"type": "grammar", "grammar": grammar}}


def _chosen(tools: list[Json], choice: Any) -> tuple[list[Json], Any]:
    """The tools that may be called, and chat's `tool_choice`.

    Allowed tools are those that are left: it says the same, to providers that do not know the form, too.
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
    raise NotTranslatable(f"`tool_choice` of `{kind or choice}` has no counterpart in chat.", param="tool_choice")


def _allowed(tools: list[Json], choice: Mapping[str, Any]) -> tuple[list[Json], Any]:
    mode, named = choice.get("mode", "auto"), choice.get("tools")
    if mode not in _MODES or not isinstance(named, list):
        raise InvalidParameter("`tool_choice` needs a `mode` and `tools`.", param="tool_choice")
    names = [(tool.get("type"), tool.get("name")) for tool in named if isinstance(tool, Mapping)]
    left = [tool for tool in tools if (tool["type"], _name(tool)) in names]
    offered = [(tool["type"], _name(tool)) for tool in tools]
    if any(name not in offered for name in names):
        raise InvalidParameter("`tool_choice` allows a tool that is not in `tools`.", param="tool_choice")
    return left, mode


def _name(tool: Json) -> Any:
    return tool[tool["type"]]["name"]
