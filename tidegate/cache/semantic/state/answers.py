"""Reads the stored answers that semantic answers are given from: those of the exact cache, and no others."""

from typing import Any, Final

import msgspec

from tidegate.cache.stored import AnswerCodec, StoredAnswer, UnreadableAnswer, unpacked_size
from tidegate.core.clock import Clock
from tidegate.core.endpoints import Endpoint, Format
from tidegate.core.errors import TidegateError
from tidegate.storage.names import RedisNames, escape
from tidegate.storage.redis import RedisLink
from tidegate.wire.answer_form import split_events, to_body

_MAX_BYTES: Final = 64 * 1024
_TEXT_KINDS: Final = ("message", "reasoning")


class FoundAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A stored answer, and what is stored with it."""

    answer: StoredAnswer
    account: bytes
    """What a hit adds to its ledger entry, a JSON object."""
    age: float
    """Seconds since it was stored."""

    @property
    def saved_nanos(self) -> int:
        """What the answer cost, in nano-dollars."""
        account = msgspec.json.decode(self.account or b"{}")
        saved = account.get("saved_nanos", 0) if isinstance(account, dict) else 0
        return saved if isinstance(saved, int) else 0


class StoredAnswers:
    """Find fresh answers by their fingerprint."""

    def __init__(self, link: RedisLink, codec: AnswerCodec, clock: Clock, *, prefix: str) -> None:
        """`prefix` begins the names of Redis keys."""
        self._link = link
        self._codec = codec
        self._clock = clock
        self._begin_key = RedisNames(prefix).start("answer")

    async def find(self, fingerprint: str, *, project: str, max_age: int | None = None) -> FoundAnswer | None:
        """Return a fresh answer of the project; None if there is none, or it is large. Raises RedisUnavailable."""
        fields = ("at", "until", "head", "body", "account", "in")
        values = await self._link.command("HMGET", self._begin_key + fingerprint, *fields)
        at, until, head, body, account, owner = values
        if None in (at, until, head, body) or owner != escape(project).encode():
            return None
        now, stored_at = self._clock.now(), float(at)
        too_old = max_age is not None and now - stored_at > max_age
        if too_old or now >= float(until) or unpacked_size(body) > _MAX_BYTES:
            return None
        try:
            answer = self._codec.unpack(head, body, stored_at, fresh_until=float(until))
        except UnreadableAnswer:
            return None
        return FoundAnswer(answer=answer, account=account or b"", age=max(0.0, now - stored_at))


def text_of_answer(endpoint: Endpoint, body: bytes, *, stream: bool) -> str | None:
    """Return the text of an answer that may be given to others; None for any other answer.

    It ended by itself, and is text alone: not cut off, not refused, no calls of tools.
    """
    if len(body) > _MAX_BYTES:
        return None
    try:
        document = msgspec.json.decode(to_body(endpoint, split_events(body)) if stream else body)
        text = _chat_text(document) if endpoint.format is Format.CHAT else _response_text(document)
    except (TidegateError, LookupError, TypeError, AttributeError, ValueError):
        return None  # not an answer as OpenAI writes it
    return text or None


def _chat_text(document: Any) -> str:
    [choice] = document["choices"]
    message = choice["message"]
    is_plain = choice["finish_reason"] == "stop" and not message.get("refusal") and not message.get("tool_calls")
    return str(message["content"] or "") if is_plain else ""


def _response_text(document: Any) -> str:
    if document["status"] != "completed" or any(item["type"] not in _TEXT_KINDS for item in document["output"]):
        return ""
    parts = [part for item in document["output"] if item["type"] == "message" for part in item["content"]]
    if any(part["type"] != "output_text" for part in parts):
        return ""
    return "".join(part["text"] for part in parts)
