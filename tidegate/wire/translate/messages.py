"""Translate the instructions and input items of a Responses request to chat messages.

Chat requires each tool's output directly after the assistant message with its call, and parallel calls in one message.
So consecutive items of the assistant become one turn, followed by the outputs of its tools.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.core.errors import InvalidParameter, MissingParameter, NotTranslatable, WrongType
from tidegate.wire.translate.parts import EXTRA_CONTENT, assistant_content, content_of, output_of

Json = dict[str, Any]

DROPPED_ITEMS = frozenset(
    {"reasoning", "web_search_call", "file_search_call", "code_interpreter_call", "mcp_list_tools"}
)
"""Items that chat does not have, and that are dropped: their result is in the message after them."""

_ROLES = {"user": "user", "system": "system", "developer": "system"}
"""Chat-only providers do not have the role `developer`."""


def messages_of(body: Mapping[str, Any], *, reasoning_field: str | None = None) -> list[Json]:
    """Return the messages. Raises NotTranslatable for what chat does not have, InvalidParameter for invalid input.

    `reasoning_field` is the field in which the provider accepts earlier reasoning; None for no field.
    """
    builder = _MessageBuilder(reasoning_field)
    instructions = body.get("instructions")
    if isinstance(instructions, str):
        builder.add_message({"role": "system", "content": instructions})
    elif instructions is not None:
        raise WrongType.of("instructions", "a string", instructions)
    input_items = body.get("input")
    if isinstance(input_items, str):
        builder.add_message({"role": "user", "content": input_items})
    elif isinstance(input_items, list):
        for number, item in enumerate(input_items):
            builder.add(item, f"input[{number}]")
    elif input_items is not None:
        raise WrongType.of("input", "a string or an array of items", input_items)
    if not input_items and input_items != "":
        raise MissingParameter.of("input")
    return builder.messages()


class _AssistantTurn:
    """Consecutive items of the assistant."""

    def __init__(self) -> None:
        self.message: Json = {"role": "assistant", "content": None}
        self.calls: dict[str, Json] = {}
        self.outputs: dict[str, Json] = {}
        self.thinking = False
        """Whether the last item is reasoning."""

    @property
    def open(self) -> bool:
        """Whether the next item may belong to this turn."""
        return self.thinking or (bool(self.calls) and not self.outputs)

    def messages(self) -> list[Json]:
        """Return the assistant's message and the outputs of its tools. Raises InvalidParameter if one is missing."""
        if not self.calls:
            silent = self.message["content"] is None and "refusal" not in self.message
            return [{**self.message, "content": ""} if silent else self.message]
        for call_id in self.calls.keys() - self.outputs.keys():
            raise InvalidParameter(f"No tool output found for function call {call_id}.", param="input")
        return [{**self.message, "tool_calls": list(self.calls.values())}, *self.outputs.values()]


class _MessageBuilder:
    """Collects the messages of a conversation."""

    def __init__(self, reasoning_field: str | None) -> None:
        self._reasoning_field = reasoning_field
        self._entries: list[Json | _AssistantTurn] = []
        self._calls: dict[str, _AssistantTurn] = {}

    def add_message(self, message: Json) -> None:
        """Add a message that is not the assistant's."""
        self._entries.append(message)

    def add(self, item: Any, at: str) -> None:
        """Add one input item."""
        if not isinstance(item, Mapping):
            raise WrongType.of(at, "an object", item)
        kind = str(item.get("type", "message"))
        if kind == "message":
            self._message(item, at)
        elif kind in ("function_call", "custom_tool_call"):
            self._call(item, at)
        elif kind in ("function_call_output", "custom_tool_call_output"):
            self._output(item, at)
        elif kind == "reasoning" and self._reasoning_field is not None:
            self._reasoning(item, self._reasoning_field)
        elif kind not in DROPPED_ITEMS:
            raise NotTranslatable(f"`{at}` is a `{kind}`, which chat completions do not support.", param=at)

    def messages(self) -> list[Json]:
        """Return all messages."""
        messages: list[Json] = []
        for entry in self._entries:
            messages.extend(entry.messages() if isinstance(entry, _AssistantTurn) else [entry])
        return messages

    def _message(self, item: Mapping[str, Any], at: str) -> None:
        role = str(item.get("role"))
        if role == "assistant":
            self._assistant(assistant_content(item.get("content"), f"{at}.content"))
        elif role in _ROLES:
            self.add_message({"role": _ROLES[role], "content": content_of(item.get("content"), f"{at}.content")})
        else:
            supported = "'assistant', 'system', 'developer', and 'user'"
            raise InvalidParameter(f"Invalid value: '{role}'. Supported values are: {supported}.", param=f"{at}.role")

    def _reasoning(self, item: Mapping[str, Any], field: str) -> None:
        """Add the assistant's reasoning to the turn of the item that follows."""
        reasoning = "".join(_reasoning_texts(item))
        if reasoning:
            turn = self._turn()
            turn.thinking = True
            turn.message[field] = turn.message.get(field, "") + reasoning

    def _assistant(self, message: Json) -> None:
        turn = self._turn()
        turn.thinking = False
        before = turn.message["content"]
        if message["content"] is not None:
            turn.message["content"] = message["content"] if before is None else f"{before}\n{message['content']}"
        if "refusal" in message:
            turn.message["refusal"] = message["refusal"]

    def _turn(self, *, silent: bool = False) -> _AssistantTurn:
        """Return the current turn or a new one; with `silent`, a turn with text and without calls continues, too."""
        last = self._entries[-1] if self._entries else None
        if isinstance(last, _AssistantTurn) and (last.open or (silent and not last.outputs)):
            return last
        turn = _AssistantTurn()
        self._entries.append(turn)
        return turn

    def _call(self, item: Mapping[str, Any], at: str) -> None:
        call_id, name = _text(item, "call_id", at), _text(item, "name", at)
        turn = self._turn(silent=True)
        turn.thinking = False
        if item["type"] == "function_call":
            function = {"name": name, "arguments": _text(item, "arguments", at)}
            turn.calls[call_id] = {"id": call_id, "type": "function", "function": function}
        else:
            turn.calls[call_id] = {
                "id": call_id,
                "type": "custom",
                "custom": {"name": name, "input": _text(item, "input", at)},
            }
        if isinstance(item.get(EXTRA_CONTENT), Mapping):
            turn.calls[call_id][EXTRA_CONTENT] = item[EXTRA_CONTENT]
        self._calls[call_id] = turn

    def _output(self, item: Mapping[str, Any], at: str) -> None:
        call_id = _text(item, "call_id", at)
        turn = self._calls.get(call_id)
        if turn is None:
            raise InvalidParameter(
                f"No tool call found for function call output with call_id {call_id}.", param="input"
            )
        content = output_of(item.get("output"), f"{at}.output")
        turn.outputs[call_id] = {"role": "tool", "tool_call_id": call_id, "content": content}


def _reasoning_texts(item: Mapping[str, Any]) -> Iterator[str]:
    for part in [*(item.get("content") or ()), *(() if item.get("content") else item.get("summary") or ())]:
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            yield part["text"]


def _text(item: Mapping[str, Any], name: str, at: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise WrongType.of(f"{at}.{name}", "a string", value)
    return value
