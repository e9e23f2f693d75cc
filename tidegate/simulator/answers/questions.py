"""Generates answers from a form of request that chat and responses share."""

import re
from collections.abc import Mapping
from random import Random
from typing import Any

import msgspec

from tidegate.core.tokenizer import Tokenizer
from tidegate.simulator.answers.counting import tokens_for
from tidegate.simulator.answers.reading import keys_in, mentioned, name_to_repeat
from tidegate.simulator.answers.schemas import example
from tidegate.simulator.answers.words import prose
from tidegate.simulator.refusal import invalid

_IGNORED_PARAMETERS = {
    "background", "include", "logprobs", "max_completion_tokens", "max_output_tokens", "max_tokens", "metadata", "n",
    "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier", "stop", "store", "stream",
    "stream_options", "top_logprobs", "user",
}  # fmt: skip
_EFFORT = {"none": 0, "minimal": 0, "low": 64, "medium": 128, "high": 256, "xhigh": 512, "max": 1024}
_REASONING_MODEL = re.compile(r"o\d|gpt-[5-9]")
_TOOL_FRAME_TOKENS = 5
"""Tokens of a tool call beyond its arguments. OpenAI does not publish their number."""
_MAX_ECHO_LENGTH = 60
"""Characters of the user's text that the answer repeats at its start."""


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that the caller offers: a function with its arguments' schema, or a custom one that takes text."""

    name: str
    schema: Mapping[str, Any] | None = None
    custom: bool = False


class GenerationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """All parameters that determine an answer."""

    seed: int
    model: str = "gpt-4o"
    user_text: str
    """The last text of the user."""
    texts: tuple[str, ...] = ()
    """All texts of the instructions and of the user."""
    input_tokens: int
    tool: Tool | None = None
    """The tool to call instead of answering with text."""
    json: bool = False
    schema: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    """Tokens, including those of reasoning."""
    stop: tuple[str, ...] = ()
    reasoning: int = 0
    """Tokens of reasoning."""
    tokens: int | None = None


class GeneratedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A generated answer: text, or a tool call with `text` as its argument."""

    token_texts: list[str]
    tool: Tool | None
    reasoning: int
    cut_short: bool
    """Whether the limit on tokens cut it."""
    tokens: int
    """Tokens of its text."""

    @property
    def text(self) -> str:
        """Return the whole text."""
        return "".join(self.token_texts)

    @property
    def unseen_tokens(self) -> int:
        """Return the tokens that are charged and are no part of the text."""
        return self.reasoning + (_TOOL_FRAME_TOKENS if self.tool else 0)

    @property
    def output_tokens(self) -> int:
        """Return all tokens that are charged."""
        return self.tokens + self.unseen_tokens


def generate(question: GenerationRequest, number: int = 0) -> GeneratedAnswer:
    """Return the answer; `number` distinguishes the choices of one request."""
    random = Random(question.seed + number)  # noqa: S311  # repeatable on purpose
    tokens = tokens_for(question.model)
    pieces = _until_stop(_generate_tokens(question, random, tokens), question.stop, tokens)
    room = None if question.max_tokens is None else max(0, question.max_tokens - question.reasoning)
    kept = pieces[:room]
    while room is not None and tokens.count("".join(kept)) > room:  # one text may be several tokens
        kept.pop()
    return GeneratedAnswer(
        token_texts=kept,
        tool=question.tool,
        reasoning=question.reasoning if question.max_tokens is None else min(question.reasoning, question.max_tokens),
        cut_short=len(kept) < len(pieces),
        tokens=tokens.count("".join(kept)),
    )


def _generate_tokens(question: GenerationRequest, random: Random, tokens: Tokenizer) -> list[str]:
    if question.tool is not None and not question.tool.custom:
        return tokens.split(_json(example(question.tool.schema or {"type": "object"}, random, question.user_text)))
    if question.json:
        keys = keys_in(question.texts) or ("answer",)
        schema = question.schema or {"type": "object", "required": keys}
        return tokens.split(_json(example(schema, random, question.user_text if question.schema else "")))
    name = name_to_repeat(question.texts)
    opening = f"Your name is {name}." if name else f"You said: {question.user_text[:_MAX_ECHO_LENGTH]!r}."
    return prose(opening, random, question.tokens, tokens)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _until_stop(pieces: list[str], stop: tuple[str, ...], tokens: Tokenizer) -> list[str]:
    text = "".join(pieces)
    ends = [at for at in (text.find(word) for word in stop if word) if at >= 0]
    return tokens.split(text[: min(ends)]) if ends else pieces


def answer_inputs(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a request that determine its answer."""
    return {key: value for key, value in body.items() if key not in _IGNORED_PARAMETERS}


def reasoning_tokens(model: str, effort: Any) -> int:
    """Return the tokens of a model's reasoning, 0 for a model that does not reason."""
    if not _REASONING_MODEL.match(model) or "chat" in model:
        return 0
    return _EFFORT.get(effort or "medium", _EFFORT["medium"])


def choose_tool(tools: list[Tool], choice: Any, *, has_tool_output: bool, text: str = "") -> Tool | None:
    """Return the tool to call: the named one, else the one that the text mentions, else the first.

    None if the caller forbids it or has just run one.
    """
    if isinstance(choice, Mapping):
        return _named(tools, choice)
    if not tools or choice == "none" or (choice != "required" and has_tool_output):
        return None
    name = mentioned([tool.name for tool in tools], text)
    return next((tool for tool in tools if tool.name == name), tools[0])


def _named(tools: list[Tool], choice: Mapping[str, Any]) -> Tool | None:
    allowed = choice.get("allowed_tools", choice)
    first = (allowed.get("tools") or [choice])[0]
    name = first.get("name") or first.get(str(first.get("type")), {}).get("name")
    for tool in tools:
        if tool.name == name:
            return tool
    raise invalid(f"Tool choice '{name}' not found in 'tools' parameter.", param="tool_choice")
