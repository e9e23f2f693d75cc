"""What is asked, in the same words for chat and for responses, and the answer to it."""

import re
from collections.abc import Mapping
from random import Random
from typing import Any

import msgspec

from tidegate.simulator.refusal import invalid
from tidegate.simulator.schemas import example
from tidegate.simulator.words import prose, tokens_of

_DOES_NOT_SHAPE = {
    "background", "include", "logprobs", "max_completion_tokens", "max_output_tokens", "max_tokens", "metadata", "n",
    "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier", "stop", "store", "stream",
    "stream_options", "top_logprobs", "user",
}  # fmt: skip
_EFFORT = {"none": 0, "minimal": 0, "low": 64, "medium": 128, "high": 256, "xhigh": 512, "max": 1024}
_REASONS = re.compile(r"o\d|gpt-[5-9]")
_ECHO = 60
"""So many characters of the question are repeated at the start of the answer."""


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that the caller offers: a function with its arguments' schema, or a custom one that takes text."""

    name: str
    schema: Mapping[str, Any] | None = None
    custom: bool = False


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """All that shapes an answer."""

    seed: int
    said: str
    """The last thing the user said."""
    input_tokens: int
    tool: Tool | None = None
    """The tool to call instead of speaking."""
    json: bool = False
    schema: Mapping[str, Any] | None = None
    limit: int | None = None
    """Tokens, those of reasoning included."""
    stop: tuple[str, ...] = ()
    reasoning: int = 0
    """Tokens of reasoning."""
    tokens: int | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What is said: text, or a call of a tool with `text` as its argument."""

    tokens: list[str]
    tool: Tool | None
    reasoning: int
    cut_short: bool
    """By the limit on tokens."""

    @property
    def text(self) -> str:
        """The tokens, joined."""
        return "".join(self.tokens)

    @property
    def output_tokens(self) -> int:
        """All tokens that are paid for."""
        return len(self.tokens) + self.reasoning + (5 if self.tool else 0)


def answer(question: Question, number: int = 0) -> Answer:
    """The answer; `number` tells the choices of one request apart."""
    random = Random(question.seed + number)  # noqa: S311  # repeatable on purpose
    tokens = _before_a_stop(_said(question, random), question.stop)
    room = None if question.limit is None else max(0, question.limit - question.reasoning)
    cut_short = room is not None and len(tokens) > room
    reasoning = question.reasoning if question.limit is None else min(question.reasoning, question.limit)
    return Answer(tokens=tokens[:room], tool=question.tool, reasoning=reasoning, cut_short=cut_short)


def _said(question: Question, random: Random) -> list[str]:
    if question.tool is not None and not question.tool.custom:
        return tokens_of(_json(example(question.tool.schema or {"type": "object"}, random)))
    if question.json:
        return tokens_of(_json(example(question.schema or {"type": "object", "required": ["answer"]}, random)))
    return prose(f"You said: {question.said[:_ECHO]!r}.", random, question.tokens)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _before_a_stop(tokens: list[str], stop: tuple[str, ...]) -> list[str]:
    text = "".join(tokens)
    ends = [at for at in (text.find(word) for word in stop if word) if at >= 0]
    return tokens_of(text[: min(ends)]) if ends else tokens


def shape_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a request that decides what is answered."""
    return {key: value for key, value in body.items() if key not in _DOES_NOT_SHAPE}


def reasoning_tokens(model: str, effort: Any) -> int:
    """How long a model thinks; models that do not reason do not."""
    if not _REASONS.match(model) or "chat" in model:
        return 0
    return _EFFORT.get(effort or "medium", _EFFORT["medium"])


def chosen(tools: list[Tool], choice: Any, *, answered: bool) -> Tool | None:
    """The tool to call: the one named, else the first, unless the caller forbids it or has just run one."""
    if isinstance(choice, Mapping):
        return _named(tools, choice)
    if not tools or choice == "none" or (choice != "required" and answered):
        return None
    return tools[0]


def _named(tools: list[Tool], choice: Mapping[str, Any]) -> Tool | None:
    allowed = choice.get("allowed_tools", choice)
    first = (allowed.get("tools") or [choice])[0]
    name = first.get("name") or first.get(str(first.get("type")), {}).get("name")
    for tool in tools:
        if tool.name == name:
            return tool
    raise invalid(f"Tool choice '{name}' not found in 'tools' parameter.", param="tool_choice")
