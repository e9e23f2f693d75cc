"""Which calls may share an answer with another question, which question they ask, and in which scope. Pure.

The question is the text of the last message alone. Everything else that shapes the answer is part of the scope, by
value: project, endpoint, model, instructions, tools, parameters and earlier turns. So no answer leaves its scope.
"""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from tidegate.cache.fingerprint import VERSION, canonical
from tidegate.cache.policy import CachePolicy
from tidegate.cache.semantic.question import Question, QuestionReader
from tidegate.core.endpoints import Format
from tidegate.wire.call import Call

_encode = msgspec.json.Encoder(order="deterministic").encode
_MIN_WORDS: Final = 2
_STATE_FIELDS: Final = ("previous_response_id", "conversation", "prompt")
_TEXT_PARTS: Final = frozenset({"text", "input_text"})
_INSTRUCTING_ROLES: Final = frozenset({"system", "developer"})


class EligibilityRules(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator allows."""

    max_characters: int = 1000
    max_temperature: float = 1.0
    same_turns: bool = False
    """Whether a question after earlier turns takes part, with questions after equal turns."""
    time_words: Collection[str] = frozenset()
    """Words besides the known ones whose questions take no part."""


class ScopedQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A question that takes part."""

    question: Question
    scope: str
    """The hash of all that must be equal for two questions to share an answer."""


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A call that takes no part."""

    reason: str


def read_call(
    call: Call,
    policy: CachePolicy,
    rules: EligibilityRules,
    reader: QuestionReader,
    *,
    project: str,
    headers: Mapping[str, str],
) -> ScopedQuestion | Skipped:
    """Return the question of a call and its scope, or why it takes no part.

    `headers` are the caller's headers that are forwarded upstream.
    """
    name = "messages" if call.endpoint.format is Format.CHAT else "input"
    reason = _reason_of_call(call, policy, rules)
    turns = _turns(call.body.get(name)) if not reason else None
    if turns is None:
        return Skipped(reason=reason or "modality")
    text = _text_of(turns[-1])
    if text is None:
        return Skipped(reason="modality")
    reason = _reason_of_turns(turns, rules)
    if not reason and len(text) > rules.max_characters:
        reason = "long"
    if reason:
        return Skipped(reason=reason)
    question = reader.read(text)
    if reason := _reason_of_words(question, rules):
        return Skipped(reason=reason)
    shape = canonical(call)
    shape[name] = [*turns[:-1], {field: value for field, value in turns[-1].items() if field != "content"}]
    parts = _encode([VERSION, project, call.endpoint.path, headers, shape])
    return ScopedQuestion(question=question, scope=hashlib.sha256(parts).hexdigest())


def _reason_of_call(call: Call, policy: CachePolicy, rules: EligibilityRules) -> str:
    body = call.body
    temperature = body.get("temperature")
    reasons = {
        "cache-control": not (policy.lookup and policy.store) or policy.only_stored,
        "endpoint": call.endpoint.format is Format.PLAIN,
        "long": call.is_heavy,
        "tools": bool(body.get("tools") or body.get("functions")),
        "choices": body.get("n") not in (None, 1),
        "logprobs": bool(body.get("logprobs") or body.get("top_logprobs")),
        "modality": body.get("modalities") not in (None, ["text"]) or body.get("audio") is not None,
        "sampling": isinstance(temperature, int | float) and temperature > rules.max_temperature,
        "state": any(body.get(name) is not None for name in _STATE_FIELDS) or bool(body.get("background")),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _turns(value: Any) -> list[dict[str, Any]] | None:
    """Return the messages of a call; None where they are not messages."""
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if not isinstance(value, list) or not value or not all(isinstance(turn, dict) for turn in value):
        return None
    return value if value[-1].get("role") == "user" and value[-1].get("type", "message") == "message" else None


def _text_of(turn: dict[str, Any]) -> str | None:
    """Return the text of a message; None where it has anything else, or several texts."""
    content = turn.get("content")
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        part = content[0]
        content = part.get("text") if part.get("type") in _TEXT_PARTS and part.keys() <= {"type", "text"} else None
    return content if isinstance(content, str) else None


def _reason_of_turns(turns: list[dict[str, Any]], rules: EligibilityRules) -> str:
    earlier = turns[:-1]
    if any(turn.get("role") in ("tool", "function") or turn.get("tool_calls") for turn in earlier):
        return "tools"
    if not rules.same_turns and any(turn.get("role") not in _INSTRUCTING_ROLES for turn in earlier):
        return "turns"
    return ""


def _reason_of_words(question: Question, rules: EligibilityRules) -> str:
    if len(question.words) < _MIN_WORDS or not question.content:
        return "short"
    if question.ages or any(word in rules.time_words for word in question.words):
        return "time"
    return ""
