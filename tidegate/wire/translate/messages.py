"""A Responses request's instructions and input items as chat messages.

Chat wants each tool's output right after the assistant message that called it, and all calls made at once in
one message: what the assistant did without being interrupted becomes one turn, which its outputs follow.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.core.errors import InvalidParameter, MissingParameter, NotTranslatable, WrongType
from tidegate.wire.translate.parts import assistant_content, content_of, output_of

Json = dict[str, Any]

DROPPED_ITEMS = frozenset(
    {"reasoning", "web_search_call", "file_search_call", "code_interpreter_call", "mcp_list_tools"}
)
"""Items that chat has no place for, and that are left out: what came of them is in the message after them."""

_ROLES = {"user": "user", "system": "system", "developer": "system"}
"""Providers that only speak chat know no developer."""


def messages_of(body: Mapping[str, Any], *, reasoning_field: str | None = None) -> list[Json]:
    """The messages. Raises NotTranslatable for what chat cannot say, InvalidParameter for what nobody could.

    `reasoning_field` is where the provider wants an assistant's reasoning back; None for nowhere.
    """
    talk = _MessageBuilder(reasoning_field)
    instructions = body.get("instructions")
    if isinstance(instructions, str):
        talk.say({"role": "system", "content": instructions})
    elif instructions is not None:
        raise WrongType.of("instructions", "a string", instructions)
    asked = body.get("input")
    if isinstance(asked, str):
        talk.say({"role": "user", "content": asked})
    elif isinstance(asked, list):
        for number, item in enumerate(asked):
            talk.add(item, f"input[{number}]")
    elif asked is not None:
        raise WrongType.of("input", "a string or an array of items", asked)
    if not asked and asked != "":
        raise MissingParameter.of("input")
    return talk.messages()


class _AssistantTurn:
    """What the assistant did without being interrupted."""

    def __init__(self) -> None:
        self.message: Json = {"role": "assistant", "content": None}
        self.calls: dict[str, Json] = {}
        self.outputs: dict[str, Json] = {}
        self.thinking = False
        """It has thought, and neither spoken nor called since."""

    @property
    def open(self) -> bool:
        """More of the same turn may follow."""
        return self.thinking or (bool(self.calls) and not self.outputs)

    def messages(self) -> list[Json]:
        """The assistant's message and the outputs of its tools. Raises InvalidParameter where one is missing."""
        if not self.calls:
            silent = self.message["content"] is None and "refusal" not in self.message
            return [{**self.message, "content": ""} if silent else self.message]
        for call_id in self.calls.keys() - self.outputs.keys():
            raise InvalidParameter(f"No tool output found for function call {call_id}.", param="input")
        return [{**self.message, "tool_calls": list(self.calls.values())}, *self.outputs.values()]


class _MessageBuilder:
    """The conversation as it is gathered."""

    def __init__(self, reasoning_field: str | None) -> None:
        self._reasoning_field = reasoning_field
        self._entries: list[Json | _AssistantTurn] = []
        self._calls: dict[str, _AssistantTurn] = {}

    def say(self, message: Json) -> None:
        """Somebody else than the assistant says something."""
        self._entries.append(message)

    def add(self, item: Any, at: str) -> None:
        """One input item."""
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
            raise NotTranslatable(f"`{at}` is a `{kind}`, which chat completions have no place for.", param=at)

    def messages(self) -> list[Json]:
        """All of it."""
        made: list[Json] = []
        for entry in self._entries:
            made.extend(entry.messages() if isinstance(entry, _AssistantTurn) else [entry])
        return made

    def _message(self, item: Mapping[str, Any], at: str) -> None:
        role = str(item.get("role"))
        if role == "assistant":
            self._assistant(assistant_content(item.get("content"), f"{at}.content"))
        elif role in _ROLES:
            self.say({"role": _ROLES[role], "content": content_of(item.get("content"), f"{at}.content")})
        else:
            supported = "'assistant', 'system', 'developer', and 'user'"
            raise InvalidParameter(f"Invalid value: '{role}'. Supported values are: {supported}.", param=f"{at}.role")

    def _reasoning(self, item: Mapping[str, Any], field: str) -> None:
        """What the assistant thought before what it does next; the next item of its turn joins it."""
        thoughts = "".join(_thoughts(item))
        if thoughts:
            turn = self._turn()
            turn.thinking = True
            turn.message[field] = turn.message.get(field, "") + thoughts

    def _assistant(self, said: Json) -> None:
        turn = self._turn()
        turn.thinking = False
        before = turn.message["content"]
        if said["content"] is not None:
            turn.message["content"] = said["content"] if before is None else f"{before}\n{said['content']}"
        if "refusal" in said:
            turn.message["refusal"] = said["refusal"]

    def _turn(self, *, silent: bool = False) -> _AssistantTurn:
        """The turn that is going on, or a new one; `silent`: one that has spoken and not called yet goes on, too."""
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
            called = {"name": name, "arguments": _text(item, "arguments", at)}
            turn.calls[call_id] = {"id": call_id, "type": "function", "function": called}
        else:
            turn.calls[call_id] = {
                "id": call_id,
                "type": "custom",
                "custom": {"name": name, "input": _text(item, "input", at)},
            }
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


def _thoughts(item: Mapping[str, Any]) -> Iterator[str]:
    for part in [*(item.get("content") or ()), *(() if item.get("content") else item.get("summary") or ())]:
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            yield part["text"]


def _text(item: Mapping[str, Any], name: str, at: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise WrongType.of(f"{at}.{name}", "a string", value)
    return value
