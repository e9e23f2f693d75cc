"""Tool calls and their results: each result answers a call before it, and each call has its result."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidegate.simulator.refusal import Refusal, invalid

_CALLS_ANSWERED_BY = {
    "function_call_output": "function_call",
    "custom_tool_call_output": "custom_tool_call",
    "computer_call_output": "computer_call",
    "shell_call_output": "shell_call",
    "apply_patch_call_output": "apply_patch_call",
}
_TITLES = {"function_call": "function call", "custom_tool_call": "custom tool call", "computer_call": "computer call",
           "shell_call": "shell call", "apply_patch_call": "apply patch call"}  # fmt: skip


def check_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    """Raise Refusal unless the calls of each assistant's message are answered by the tool messages right after it."""
    asked: list[str] = []
    answered: dict[str, int] = {}
    for number, message in enumerate(messages):
        if message["role"] == "tool":
            _check_result(number, message["tool_call_id"], asked, answered)
            answered[message["tool_call_id"]] = number
            continue
        _check_unanswered(asked, answered)
        asked = [call["id"] for call in message.get("tool_calls") or ()]
        answered = {}
    _check_unanswered(asked, answered)


def _check_result(number: int, call_id: str, asked: list[str], answered: Mapping[str, int]) -> None:
    at = f"messages.[{number}]"
    if not asked:
        reason = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
        raise invalid(f"Invalid parameter: {reason}", param=f"{at}.role")
    if call_id not in asked:
        reason = f"'tool_call_id' of '{call_id}' not found in 'tool_calls' of previous message."
        raise invalid(f"Invalid parameter: {reason}", param=f"{at}.tool_call_id")
    if call_id in answered:
        first = answered[call_id]
        reason = f"Duplicate value for 'tool_call_id' of '{call_id}', in messages[{first}] and messages[{number}]."
        raise invalid(f"Invalid parameter: {reason}", param=f"{at}.tool_call_id")


def _check_unanswered(asked: list[str], answered: Mapping[str, int]) -> None:
    if left := [call_id for call_id in asked if call_id not in answered]:
        raise invalid(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(left)}",
            param="messages",
        )


def check_items(items: Sequence[Mapping[str, Any]], *, continues: bool) -> None:
    """Raise Refusal for a result without its call or a call without its result.

    `continues` tells that the items continue a conversation that OpenAI keeps, which may have the calls.
    """
    _check_ids(items)
    calls: dict[tuple[str, Any], None] = {}
    for item in items:
        kind = str(item.get("type"))
        if kind in _TITLES:
            calls[kind, item.get("call_id")] = None
        elif kind in _CALLS_ANSWERED_BY and not continues:
            called = _CALLS_ANSWERED_BY[kind]
            if (called, item.get("call_id")) not in calls:
                raise _no_call(called, item.get("call_id"))
    for kind, call_id in calls:
        if (kind, call_id) not in set(_answered(items)):
            raise invalid(f"No tool output found for {_TITLES[kind]} {call_id}.", param="input")


def _answered(items: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    for item in items:
        if called := _CALLS_ANSWERED_BY.get(str(item.get("type"))):
            yield called, item.get("call_id")


def _no_call(kind: str, call_id: Any) -> Refusal:
    return invalid(f"No tool call found for {_TITLES[kind]} output with call_id {call_id}.", param="input")


def _check_ids(items: Sequence[Mapping[str, Any]]) -> None:
    seen: set[str] = set()
    for item in items:
        name = item.get("id")
        if isinstance(name, str) and name in seen:
            message = f"Duplicate item found with id {name}. Remove duplicate items from your input and try again."
            raise invalid(message, param="input")
        if isinstance(name, str):
            seen.add(name)
