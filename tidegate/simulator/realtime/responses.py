"""One response of a session: its events, from `response.created` to `response.done`, and its usage. Pure."""

import base64
from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec

from tidegate.core.tokenizer import Tokenizer
from tidegate.simulator.answers.words import prose
from tidegate.simulator.billing.tariff import TokenUsage
from tidegate.simulator.realtime.conversation import HeardTokens

Json = dict[str, Any]

_SPOKEN_BYTES = 2400
"""50 ms of PCM: a token of what the model says."""
_WORDS_PER_SPOKEN = 4
"""Audio tokens for each token of the transcript."""
_DELTA_TOKENS = 8


class PlannedResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What a response is made of."""

    id: str
    item_id: str
    conversation_id: str | None
    modality: str
    """`audio` or `text`."""
    voice: str
    limit: int | str
    metadata: Any
    heard: HeardTokens
    """The tokens of its input."""
    cached: HeardTokens
    """Those of them that are cached."""
    words: tuple[str, ...]
    """The tokens of its text, or of its transcript."""
    audio_tokens: int
    """Its tokens of audio."""
    is_cut: bool
    """Whether its limit ended it."""
    call: Json | None = None
    """The function that it calls instead of saying something."""

    def document(self, status: str, *, output: list[Json], usage: Json | None, details: Json | None = None) -> Json:
        """Return the response object."""
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": output,
            "conversation_id": self.conversation_id,
            "output_modalities": [self.modality],
            "max_output_tokens": self.limit,
            "audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": self.voice}},
            "usage": usage,
            "metadata": self.metadata,
        }

    def usage(self, parts: int) -> Json:
        """Return the usage of a response of which so many deltas were sent."""
        words, audio_tokens = self._sent(parts)
        cached = {"text_tokens": self.cached.text, "audio_tokens": self.cached.audio, "image_tokens": self.cached.image}
        return {
            "total_tokens": self.heard.total + words + audio_tokens,
            "input_tokens": self.heard.total,
            "output_tokens": words + audio_tokens,
            "input_token_details": {
                "text_tokens": self.heard.text,
                "audio_tokens": self.heard.audio,
                "image_tokens": self.heard.image,
                "cached_tokens": self.cached.total,
                "cached_tokens_details": cached,
            },
            "output_token_details": {"text_tokens": words, "audio_tokens": audio_tokens},
        }

    def billed(self, parts: int) -> TokenUsage:
        """Return the same for the bill."""
        words, audio_tokens = self._sent(parts)
        return TokenUsage(
            input=self.heard.total,
            cached=self.cached.total,
            input_audio=self.heard.audio,
            cached_audio=self.cached.audio,
            input_image=self.heard.image,
            cached_image=self.cached.image,
            output=words + audio_tokens,
            output_audio=audio_tokens,
        )

    def output_tokens(self, parts: int) -> HeardTokens:
        """Return what of it becomes input of later responses."""
        words, audio_tokens = self._sent(parts)
        return HeardTokens(text=words, audio=audio_tokens)

    @property
    def parts(self) -> int:
        """How many deltas of its text, or of its transcript, it has."""
        return -(-len(self.words) // _DELTA_TOKENS)

    def _sent(self, parts: int) -> tuple[int, int]:
        words = min(len(self.words), parts * _DELTA_TOKENS)
        return words, self.audio_tokens if parts >= self.parts else min(self.audio_tokens, words * _WORDS_PER_SPOKEN)

    def deltas(self) -> Iterator[list[Json]]:
        """Yield the events of each delta."""
        place: Json = {"response_id": self.id, "item_id": self.item_id, "output_index": 0}
        audio_tokens = 0
        for part in range(self.parts):
            text = "".join(self.words[part * _DELTA_TOKENS : (part + 1) * _DELTA_TOKENS])
            if self.call is not None:
                yield [
                    {
                        "type": "response.function_call_arguments.delta",
                        **place,
                        "call_id": self.call["call_id"],
                        "delta": text,
                    }
                ]
                continue
            inside = {**place, "content_index": 0}
            if self.modality == "text":
                yield [{"type": "response.output_text.delta", **inside, "delta": text}]
                continue
            upto = self._sent(part + 1)[1]
            audio = base64.b64encode(b"\x10" * (_SPOKEN_BYTES * (upto - audio_tokens))).decode()
            audio_tokens = upto
            yield [
                {"type": "response.output_audio_transcript.delta", **inside, "delta": text},
                {"type": "response.output_audio.delta", **inside, "delta": audio},
            ]

    def item(self, status: str, parts: int) -> Json:
        """Return the item that it adds to the conversation."""
        text = "".join(self.words[: parts * _DELTA_TOKENS])
        common: Json = {"id": self.item_id, "object": "realtime.item", "status": status}
        if self.call is not None:
            return {**common, "type": "function_call", **self.call, "arguments": text}
        part = {"type": "output_text", "text": text}
        if self.modality == "audio":
            part = {"type": "output_audio", "transcript": text}
        return {**common, "type": "message", "role": "assistant", "content": [part] if parts else []}

    def opening(self) -> list[Json]:
        """Return the events before the first delta."""
        place: Json = {"response_id": self.id, "output_index": 0}
        events = [
            {"type": "response.created", "response": self.document("in_progress", output=[], usage=None)},
            {"type": "response.output_item.added", **place, "item": self.item("in_progress", 0)},
            {"type": "conversation.item.added", "previous_item_id": None, "item": self.item("in_progress", 0)},
        ]
        if self.call is None:
            part = {"type": self.modality, "transcript" if self.modality == "audio" else "text": ""}
            inside = {**place, "item_id": self.item_id, "content_index": 0}
            events.append({"type": "response.content_part.added", **inside, "part": part})
        return events

    def closing(self, status: str, parts: int) -> list[Json]:
        """Return the events after the last delta, up to the response's end."""
        item, place = self.item(status, parts), {"response_id": self.id, "output_index": 0}
        inside: Json = {**place, "item_id": self.item_id}
        if self.call is not None:
            called = {"call_id": self.call["call_id"], "arguments": item["arguments"]}
            events: list[Json] = [{"type": "response.function_call_arguments.done", **inside, **called}]
        else:
            events = self._content_closing(inside, "".join(self.words[: parts * _DELTA_TOKENS]))
        events.append({"type": "response.output_item.done", **place, "item": item})
        events.append({"type": "conversation.item.done", "previous_item_id": None, "item": item})
        return events

    def _content_closing(self, inside: Json, text: str) -> list[Json]:
        inside = {**inside, "content_index": 0}
        if self.modality == "text":
            return [
                {"type": "response.output_text.done", **inside, "text": text},
                {"type": "response.content_part.done", **inside, "part": {"type": "text", "text": text}},
            ]
        return [
            {"type": "response.output_audio.done", **inside},
            {"type": "response.output_audio_transcript.done", **inside, "transcript": text},
            {"type": "response.content_part.done", **inside, "part": {"type": "audio", "transcript": text}},
        ]


def planned_words(
    random: Random, tokens: Tokenizer, wanted: int | None, limit: int | str, modality: str
) -> tuple[list[str], int, bool]:
    """Return the tokens of a text or transcript, those of its audio, and whether `limit` cuts it."""
    length = wanted if wanted is not None else 24 + random.randrange(16)
    is_cut = isinstance(limit, int) and length > limit
    total = min(length, limit) if isinstance(limit, int) else length
    if modality == "text":
        return prose("It is", random, total, tokens), 0, is_cut
    words = max(1, total // (_WORDS_PER_SPOKEN + 1))
    return prose("It is", random, words, tokens), total - words, is_cut
