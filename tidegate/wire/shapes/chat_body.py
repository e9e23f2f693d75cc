"""Put a whole chat completion into OpenAI's shape, where a provider sends it in another: as its streams are mended.

Nearly all completions have it; they are recognized by a few byte strings, and passed on unchanged.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.wire.shapes.chat_stream import with_text
from tidegate.wire.shapes.failed_reasons import failure_of
from tidegate.wire.shapes.foreign_reasons import FOREIGN_REASON, with_known_cut
from tidegate.wire.shapes.tool_calls import reason_with_calls, with_text_arguments

Json = dict[str, Any]

_ODD = re.compile(
    rb'"content"\s*:\s*\['
    rb'|"(?:arguments|input)"\s*:\s*\{'
    rb'|"arguments"\s*:\s*null'
    rb'|"index"\s*:\s*null'
    rb'|"finish_reason"\s*:\s*""'
)
_CALLS = re.compile(rb'"tool_calls"\s*:\s*\[\s*\{')
_OTHER_REASON = re.compile(rb'"finish_reason"\s*:\s*"(?!tool_calls")')
"""None of them can match within a text, where quotes are escaped."""


def mend_chat_body(body: bytes, *, keeps_reasons: bool = False) -> bytes:
    """Return a body in OpenAI's shape; what is no completion at all is returned as it is.

    `keeps_reasons` is for a body whose finish reasons are right already.
    """
    is_usual = keeps_reasons or not _CALLS.search(body) or not _OTHER_REASON.search(body)
    if is_usual and not _ODD.search(body) and not FOREIGN_REASON.search(body):
        return body
    try:
        completion = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    if not isinstance(completion, dict):
        return body
    mended = mend_completion(completion, keeps_reasons=keeps_reasons)
    return body if mended == completion else msgspec.json.encode(mended)


def mend_completion(completion: Mapping[str, Any], *, keeps_reasons: bool = False) -> Mapping[str, Any]:
    """Return a decoded completion in OpenAI's shape; one whose reason is a failure becomes an error."""
    choices = completion.get("choices")
    if not isinstance(choices, list):
        return completion
    mended = [_mended(choice, place, keeps_reasons=keeps_reasons) for place, choice in enumerate(choices)]
    failure = failure_of(mended, has_content=any(map(_has_content, mended)))
    if failure is not None:
        return {"error": failure, "usage": completion.get("usage"), "model": completion.get("model")}
    return {**completion, "choices": mended}


def _has_content(choice: Any) -> bool:
    message = choice.get("message") if isinstance(choice, dict) else None
    return isinstance(message, dict) and bool(message.get("content") or message.get("tool_calls"))


def _mended(choice: Any, place: int, *, keeps_reasons: bool) -> Any:
    """Return the choice that has this place in the list."""
    if not isinstance(choice, dict):
        return choice
    if choice.get("index") is None:
        choice = {**choice, "index": place}
    if choice.get("finish_reason") == "":
        choice = {**choice, "finish_reason": None}
    choice = with_known_cut(choice)
    message = choice.get("message")
    if not isinstance(message, dict):
        return choice
    if message.get("tool_calls") and not keeps_reasons:
        choice = {**choice, "finish_reason": reason_with_calls(choice.get("finish_reason"))}
    return {**choice, "message": _mended_message(message)}


def _mended_message(message: Json) -> Json:
    if isinstance(message.get("content"), list):
        message = with_text(message)
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        message = {**message, "tool_calls": [with_text_arguments(call) for call in calls]}
    return message
