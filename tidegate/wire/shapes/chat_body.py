"""Put a whole chat completion into OpenAI's shape, where a provider sends it in another: as its streams are mended.

Nearly all completions have it; they are recognized by a few byte strings, and passed on unchanged.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.wire.shapes.chat_stream import with_text
from tidegate.wire.shapes.tool_calls import with_text_arguments

Json = dict[str, Any]

_ODD = re.compile(
    rb'"content"\s*:\s*\['
    rb'|"(?:arguments|input)"\s*:\s*\{'
    rb'|"index"\s*:\s*null'
    rb'|"finish_reason"\s*:\s*""'
)
"""Cannot match within a text, where quotes are escaped."""


def mend_chat_body(body: bytes) -> bytes:
    """Return a body in OpenAI's shape; what is no completion at all is returned as it is."""
    if not _ODD.search(body):
        return body
    try:
        completion = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    if not isinstance(completion, dict):
        return body
    mended = mend_completion(completion)
    return body if mended == completion else msgspec.json.encode(mended)


def mend_completion(completion: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a decoded completion in OpenAI's shape."""
    choices = completion.get("choices")
    if not isinstance(choices, list):
        return completion
    return {**completion, "choices": [_mended(choice, place) for place, choice in enumerate(choices)]}


def _mended(choice: Any, place: int) -> Any:
    """Return the choice that has this place in the list."""
    if not isinstance(choice, dict):
        return choice
    if choice.get("index") is None:
        choice = {**choice, "index": place}
    if choice.get("finish_reason") == "":
        choice = {**choice, "finish_reason": None}
    message = choice.get("message")
    return {**choice, "message": _mended_message(message)} if isinstance(message, dict) else choice


def _mended_message(message: Json) -> Json:
    if isinstance(message.get("content"), list):
        message = with_text(message)
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        message = {**message, "tool_calls": [with_text_arguments(call) for call in calls]}
    return message
