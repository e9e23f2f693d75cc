"""Build the output items of a Response, and emit their events."""

from collections.abc import Callable
from typing import Any

import msgspec

Json = dict[str, Any]

EmitEvent = Callable[..., None]
"""Emits an event, given its type and its fields."""


class TextBuffer:
    """A text that is received in pieces."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def add(self, piece: str) -> None:
        """Append a piece."""
        self._pieces.append(piece)

    def __str__(self) -> str:
        return "".join(self._pieces)


class OutputItem:
    """An output item in progress; it emits events at its begin and its end."""

    def __init__(self, emit: EmitEvent, item_id: str, index: int) -> None:
        self.emit = emit
        self.id = item_id
        self.index = index
        self.finished_item: Json | None = None
        """The item's document, once it is finished."""

    def begin(self) -> None:
        """Announce the item without content."""
        self.emit("response.output_item.added", output_index=self.index, item=self.document("in_progress"))

    def end(self, status: str) -> None:
        """Finish the item and emit its last event."""
        self.finish()
        self.finished_item = self.document(status)
        self.emit("response.output_item.done", output_index=self.index, item=self.finished_item)

    def finish(self) -> None:
        """Emit the remaining events of the content."""

    def document(self, status: str) -> Json:
        """Return the item as it is now."""
        raise NotImplementedError


class MessageItem(OutputItem):
    """A message of the model: parts with text or a refusal."""

    def __init__(self, emit: EmitEvent, item_id: str, index: int) -> None:
        super().__init__(emit, item_id, index)
        self._parts: list[Json] = []
        self._open: TextPart | RefusalPart | None = None

    def add_text(self, piece: str, logprobs: list[Json]) -> None:
        """Append a piece of text with its tokens' log probabilities."""
        self._text().add(piece, logprobs)

    def add_refusal(self, piece: str) -> None:
        """Append a piece of a refusal."""
        if not isinstance(self._open, RefusalPart):
            self._open = RefusalPart(self.emit, self._place())
        self._open.add(piece)

    def annotate(self, annotations: list[Json]) -> None:
        """Add annotations to the text, which is announced even if it stays empty."""
        self._text().annotations += annotations

    def finish(self) -> None:
        """End the open part."""
        if self._open is not None:
            self._parts.append(self._open.end())
            self._open = None

    def document(self, status: str) -> Json:
        """Return the item as it is now."""
        content = list(self._parts)
        return {"id": self.id, "type": "message", "role": "assistant", "status": status, "content": content}

    def _place(self) -> Json:
        self.finish()
        return {"item_id": self.id, "output_index": self.index, "content_index": len(self._parts)}

    def _text(self) -> "TextPart":
        if not isinstance(self._open, TextPart):
            self._open = TextPart(self.emit, self._place())
        return self._open


class TextPart:
    """A part with text."""

    def __init__(self, emit: EmitEvent, place: Json) -> None:
        self._emit = emit
        self._place = place
        self._text = TextBuffer()
        self._logprobs: list[Json] = []
        self.annotations: list[Json] = []
        emit("response.content_part.added", **place, part=_text_part("", [], []))

    def add(self, piece: str, logprobs: list[Json]) -> None:
        """Append a piece."""
        self._text.add(piece)
        self._logprobs += logprobs
        self._emit("response.output_text.delta", **self._place, delta=piece, logprobs=logprobs)

    def end(self) -> Json:
        """Emit the last events and return the finished part."""
        for number, annotation in enumerate(self.annotations):
            event = "response.output_text.annotation.added"
            self._emit(event, **self._place, annotation_index=number, annotation=annotation)
        text = str(self._text)
        self._emit("response.output_text.done", **self._place, text=text, logprobs=self._logprobs)
        part = _text_part(text, self.annotations, self._logprobs)
        self._emit("response.content_part.done", **self._place, part=part)
        return part


class RefusalPart:
    """A part with a refusal."""

    def __init__(self, emit: EmitEvent, place: Json) -> None:
        self._emit = emit
        self._place = place
        self._text = TextBuffer()
        emit("response.content_part.added", **place, part={"type": "refusal", "refusal": ""})

    def add(self, piece: str) -> None:
        """Append a piece."""
        self._text.add(piece)
        self._emit("response.refusal.delta", **self._place, delta=piece)

    def end(self) -> Json:
        """Emit the last events and return the finished part."""
        part = {"type": "refusal", "refusal": str(self._text)}
        self._emit("response.refusal.done", **self._place, refusal=part["refusal"])
        self._emit("response.content_part.done", **self._place, part=part)
        return part


class ReasoningItem(OutputItem):
    """The model's reasoning, where its provider returns it."""

    def __init__(self, emit: EmitEvent, item_id: str, index: int) -> None:
        super().__init__(emit, item_id, index)
        self._text = TextBuffer()
        self._content: list[Json] = []
        self._place: Json = {"item_id": item_id, "output_index": index, "content_index": 0}

    def begin(self) -> None:
        """Announce the item and its one part."""
        super().begin()
        self.emit("response.content_part.added", **self._place, part={"type": "reasoning_text", "text": ""})

    def add(self, piece: str) -> None:
        """Append a piece."""
        self._text.add(piece)
        self.emit("response.reasoning_text.delta", **self._place, delta=piece)

    def finish(self) -> None:
        """Emit the complete text or argument."""
        part = {"type": "reasoning_text", "text": str(self._text)}
        self._content.append(part)
        self.emit("response.reasoning_text.done", **self._place, text=part["text"])
        self.emit("response.content_part.done", **self._place, part=part)

    def document(self, status: str) -> Json:
        """Return the item as it is now."""
        return {
            "id": self.id, "type": "reasoning", "status": status, "summary": [], "content": list(self._content),
        }  # fmt: skip


class ToolCallItem(OutputItem):
    """A tool call: a function with its arguments, or a custom tool with its input."""

    def __init__(self, emit: EmitEvent, item_id: str, index: int, *, head: "ToolCallHead") -> None:
        super().__init__(emit, item_id, index)
        self.head = head
        self._text = TextBuffer()
        self._whole = ""
        self._place: Json = {"item_id": item_id, "output_index": index}

    def add(self, piece: str) -> None:
        """Append a piece of the argument."""
        if piece:
            self._text.add(piece)
            self.emit(f"{self.head.stem}.delta", **self._place, delta=piece)

    @property
    def looks_complete(self) -> bool:
        """Whether its argument looks complete, so that the begin of another call ends it."""
        text = str(self._text)
        return bool(text) if self.head.custom else _is_json(text)

    def finish(self) -> None:
        """Emit the complete text or argument."""
        self._whole = str(self._text)
        self.emit(f"{self.head.stem}.done", **self._place, **{self.head.field: self._whole})

    def document(self, status: str) -> Json:
        """Return the item as it is now."""
        head = self.head
        return {
            "id": self.id, "type": head.kind, "status": status, "call_id": head.call_id, "name": head.name,
            head.field: self._whole, **head.extra,
        }  # fmt: skip


class ToolCallHead(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a tool call that are known at its begin."""

    call_id: str
    name: str
    custom: bool = False
    extra: Json = {}
    """What the provider wants back with the call."""

    @property
    def kind(self) -> str:
        """The item's type."""
        return "custom_tool_call" if self.custom else "function_call"

    @property
    def field(self) -> str:
        """The field of its argument."""
        return "input" if self.custom else "arguments"

    @property
    def stem(self) -> str:
        """The prefix of the events with its argument."""
        return "response.custom_tool_call_input" if self.custom else "response.function_call_arguments"


def _text_part(text: str, annotations: list[Json], logprobs: list[Json]) -> Json:
    return {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": list(logprobs)}


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
