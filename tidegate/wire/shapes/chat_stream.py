"""Put the chunks of a chat stream into OpenAI's shape, where a provider sends them in another.

Nearly all chunks have it; they are recognized by a few byte strings, and passed on unchanged.
"""

import re
from collections.abc import Mapping
from operator import is_
from typing import Any

import msgspec

from tidegate.wire import sse
from tidegate.wire.shapes.failed_reasons import failure_of
from tidegate.wire.shapes.foreign_reasons import FOREIGN_REASON, with_known_cut
from tidegate.wire.shapes.tool_calls import ToolCalls, reason_with_calls

Json = dict[str, Any]

_THOUGHTS = ("thinking", "reasoning")
"""The types of content parts with the model's thoughts."""
_CALLS = re.compile(rb'"tool_calls"\s*:\s*\[\s*{')
_USUAL = re.compile(rb'"choices":\[\{"index":\d,"delta":\{"(?:reasoning_)?content":"[^"]')
_OTHER_REASON = re.compile(rb'"finish_reason"\s*:\s*"(?!tool_calls")')
_TEXT = re.compile(rb'"(?:content|reasoning_content|reasoning)"\s*:\s*"[^"]')


class ChatStreamMender:
    """Mends the chunks of one stream. It knows the tool calls of each choice."""

    def __init__(self, *, keeps_reasons: bool = False) -> None:
        """`keeps_reasons` is for a stream whose reasons are right already."""
        self._keeps_reasons = keeps_reasons
        self._calls: dict[int, ToolCalls] = {}
        self._has_text = False
        """Whether a delta with text has passed."""

    def has_usable_calls(self) -> bool:
        """Whether a caller can run each tool call so far."""
        return all(calls.is_usable() for calls in self._calls.values())

    def mend_event(self, event: bytes) -> bytes:
        """Return an event in OpenAI's shape; what is no chunk at all is returned as it is.

        None of the byte strings can match within a text, where quotes are escaped.
        """
        event = _respelled(event)
        if self._calls and not self._keeps_reasons and _OTHER_REASON.search(event):
            return self._mend_decoded(event)
        if b'"tool_calls"' not in event and _USUAL.search(event):  # like nearly all events
            self._has_text = True
            return event
        if _has_deltas(event):
            self._has_text = self._has_text or _TEXT.search(event) is not None
            if (b'"tool_calls"' not in event or not _CALLS.search(event)) and not FOREIGN_REASON.search(event):
                return event
        return self._mend_decoded(event)

    def _mend_decoded(self, event: bytes) -> bytes:
        data = sse.data_of(event)
        if data is None:
            return event
        try:
            chunk = msgspec.json.decode(data)
            mended = self.mend_chunk(chunk) if isinstance(chunk, dict) else chunk
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return event
        return event if mended is chunk or mended == chunk else sse.encode(msgspec.json.encode(mended))

    def mend_chunk(self, chunk: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a decoded chunk in OpenAI's shape; the same one if it has that shape already."""
        choices = chunk.get("choices")
        if isinstance(choices, list):
            mended = [self._with_reason(self._mend_choice(choice, place)) for place, choice in enumerate(choices)]
            failure = failure_of(mended, has_content=self._has_text or bool(self._calls))
            if failure is not None and chunk.get("error") is None:
                return {**chunk, "choices": [], "error": failure}
            return chunk if all(map(is_, mended, choices)) else {**chunk, "choices": mended}
        is_report = any(chunk.get(name) is not None for name in ("error", "message", "detail"))
        return chunk if is_report or (choices is not None) else {**chunk, "choices": []}

    def _with_reason(self, choice: Any) -> Any:
        """Return a choice that says `length` if it was cut, `tool_calls` if it has some and ended by itself."""
        if not isinstance(choice, dict):
            return choice
        choice = with_known_cut(choice)
        if self._keeps_reasons or choice.get("index") not in self._calls:
            return choice
        reason = choice.get("finish_reason")
        mended = reason_with_calls(reason)
        return choice if mended == reason else {**choice, "finish_reason": mended}

    def _mend_choice(self, choice: Any, place: int) -> Any:
        """Return the choice that has this place in its chunk."""
        if not isinstance(choice, dict):
            return choice
        if choice.get("index") is None:
            choice = {**choice, "index": place}
        index = choice["index"] if isinstance(choice["index"], int) else place
        delta = choice.get("delta")
        if not delta and isinstance(choice.get("message"), dict):
            choice = self._with_delta_of_message(choice)
            delta = choice["delta"]
        if delta is None:
            return {**choice, "delta": {}}
        if not isinstance(delta, dict) or not delta:
            return choice
        if isinstance(delta.get("content"), list):
            delta = with_text(delta)
            choice = {**choice, "delta": delta}
        self._has_text = self._has_text or bool(delta.get("content"))
        calls = delta.get("tool_calls")
        if not isinstance(calls, list) or not calls:
            return choice
        placed = self._calls.setdefault(index, ToolCalls()).place(calls)
        return choice if placed is calls else {**choice, "delta": {**delta, "tool_calls": placed}}

    def _with_delta_of_message(self, choice: Json) -> Json:
        """Return a choice that has a whole message in place of a delta; after deltas, the message repeats them."""
        message = choice["message"]
        rest = {name: value for name, value in choice.items() if name != "message"}
        if self._has_text or self._calls:
            return {**rest, "delta": {}}
        calls = message.get("tool_calls")
        if not isinstance(calls, list):
            return {**rest, "delta": message}
        numbered = [{"index": at, **call} if isinstance(call, dict) else call for at, call in enumerate(calls)]
        return {**rest, "delta": {**message, "tool_calls": numbered}}


def _respelled(event: bytes) -> bytes:
    """Return an event whose shape differs in single words only with OpenAI's words; nearly all need none."""
    if event.startswith((b"{", b"[DONE]")):  # its field name was lost on the way
        event = b"data: " + event
    if b'"chat.completion"' in event:  # the SDK skips what is not called a chunk
        event = event.replace(b'"chat.completion"', b'"chat.completion.chunk"', 1)
    if b'"finish_reason":""' in event:
        event = event.replace(b'"finish_reason":""', b'"finish_reason":null')
    return event


def _has_deltas(event: bytes) -> bool:
    """Whether an event looks like a chunk whose choices have a delta and an index, with or without spaces."""
    return (
        (b'"delta":{' in event or b'"delta": {' in event)
        and b'"index"' in event
        and b'"index":null' not in event
        and b'"index": null' not in event
        and b'"content":[' not in event
        and b'"content": [' not in event
    )


def with_text(delta: Json) -> Json:
    """Return a delta, or a message, whose content is a text, not a list of parts; what is no text stays beside it."""
    parts = [part if isinstance(part, dict) else {"type": "text", "text": part} for part in delta["content"]]
    others = [part for part in parts if part.get("type") not in ("text", *_THOUGHTS)]
    thoughts = "".join(map(_text_of, (part for part in parts if part.get("type") in _THOUGHTS)))
    told = {"content": "".join(_text_of(part) for part in parts if part.get("type") == "text")}
    told |= {"reasoning_content": thoughts} if thoughts else {}
    return {**delta, **told, **({"content_parts": others} if others else {})}


def _text_of(part: Any) -> str:
    """Return the text of a part; a part with thoughts contains parts itself, or a summary."""
    if isinstance(part, str):
        return part
    if isinstance(part, list):
        return "".join(map(_text_of, part))
    inner = next((part[name] for name in ("text", *_THOUGHTS, "summary") if name in part), "") if part else ""
    return _text_of(inner) if isinstance(inner, str | list) else ""
