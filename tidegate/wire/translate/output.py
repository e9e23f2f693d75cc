"""The output items of a Response as they grow, each with the events that tell of it."""

from collections.abc import Callable
from typing import Any

import msgspec

Json = dict[str, Any]

EmitEvent = Callable[..., None]
"""Takes an event's type and its fields."""


class TextBuffer:
    """A text that comes in pieces."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def add(self, piece: str) -> None:
        """One more piece."""
        self._pieces.append(piece)

    def __str__(self) -> str:
        return "".join(self._pieces)


class OutputItem:
    """An output item that is being said: told of when it begins and when it is done."""

    def __init__(self, emit: EmitEvent, item_id: str, index: int) -> None:
        self.emit = emit
        self.id = item_id
        self.index = index
        self.finished_item: Json | None = None
        """The finished item, once it is."""

    def begin(self) -> None:
        """Announce the item, empty."""
        self.emit("response.output_item.added", output_index=self.index, item=self.document("in_progress"))

    def end(self, status: str) -> None:
        """Finish it."""
        self.finish()
        self.finished_item = self.document(status)
        self.emit("response.output_item.done", output_index=self.index, item=self.finished_item)

    def finish(self) -> None:
        """Tell what is left to tell of the content."""

    def document(self, status: str) -> Json:
        """The item as it is now."""
        raise NotImplementedError


class MessageItem(OutputItem):
    """What the model says, or why it does not: parts that follow one another."""

    def __init__(self, tell: EmitEvent, item_id: str, index: int) -> None:
        super().__init__(tell, item_id, index)
        self._parts: list[Json] = []
        self._open: TextPart | RefusalPart | None = None

    def add_text(self, piece: str, logprobs: list[Json]) -> None:
        """A piece of text with its tokens' log probabilities."""
        self._text().add(piece, logprobs)

    def add_refusal(self, piece: str) -> None:
        """A piece of a refusal."""
        if not isinstance(self._open, RefusalPart):
            self._open = RefusalPart(self.emit, self._place())
        self._open.add(piece)

    def annotate(self, annotations: list[Json]) -> None:
        """Notes on the text, which is told of even if it stays empty."""
        self._text().annotations += annotations

    def finish(self) -> None:
        """End the part that is open."""
        if self._open is not None:
            self._parts.append(self._open.end())
            self._open = None

    def document(self, status: str) -> Json:
        """The item as it is now."""
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
    """A part that is text."""

    def __init__(self, tell: EmitEvent, place: Json) -> None:
        self._tell = tell
        self._place = place
        self._text = TextBuffer()
        self._logprobs: list[Json] = []
        self.annotations: list[Json] = []
        tell("response.content_part.added", **place, part=_text_part("", [], []))

    def add(self, piece: str, logprobs: list[Json]) -> None:
        """A piece."""
        self._text.add(piece)
        self._logprobs += logprobs
        self._tell("response.output_text.delta", **self._place, delta=piece, logprobs=logprobs)

    def end(self) -> Json:
        """The finished part."""
        for number, annotation in enumerate(self.annotations):
            event = "response.output_text.annotation.added"
            self._tell(event, **self._place, annotation_index=number, annotation=annotation)
        text = str(self._text)
        self._tell("response.output_text.done", **self._place, text=text, logprobs=self._logprobs)
        part = _text_part(text, self.annotations, self._logprobs)
        self._tell("response.content_part.done", **self._place, part=part)
        return part


class RefusalPart:
    """A part that is a refusal."""

    def __init__(self, tell: EmitEvent, place: Json) -> None:
        self._tell = tell
        self._place = place
        self._text = TextBuffer()
        tell("response.content_part.added", **place, part={"type": "refusal", "refusal": ""})

    def add(self, piece: str) -> None:
        """A piece."""
        self._text.add(piece)
        self._tell("response.refusal.delta", **self._place, delta=piece)

    def end(self) -> Json:
        """The finished part."""
        part = {"type": "refusal", "refusal": str(self._text)}
        self._tell("response.refusal.done", **self._place, refusal=part["refusal"])
        self._tell("response.content_part.done", **self._place, part=part)
        return part


class ReasoningItem(OutputItem):
    """What the model thinks before it speaks, where its provider shows it."""

    def __init__(self, tell: EmitEvent, item_id: str, index: int) -> None:
        super().__init__(tell, item_id, index)
        self._text = TextBuffer()
        self._content: list[Json] = []
        self._place: Json = {"item_id": item_id, "output_index": index, "content_index": 0}

    def begin(self) -> None:
        """Announce the item and its one part."""
        super().begin()
        self.emit("response.content_part.added", **self._place, part={"type": "reasoning_text", "text": ""})

    def add(self, piece: str) -> None:
        """A piece."""
        self._text.add(piece)
        self.emit("response.reasoning_text.delta", **self._place, delta=piece)

    def finish(self) -> None:
        """Tell the whole of it."""
        part = {"type": "reasoning_text", "text": str(self._text)}
        self._content.append(part)
        self.emit("response.reasoning_text.done", **self._place, text=part["text"])
        self.emit("response.content_part.done", **self._place, part=part)

    def document(self, status: str) -> Json:
        """The item as it is now."""
        return {
            "id": self.id, "type": "reasoning", "status": status, "summary": [], "content": list(self._content),
        }  # fmt: skip


class ToolCallItem(OutputItem):
    """A tool that the model calls: a function with its arguments, or a custom one with its input."""

    def __init__(self, tell: EmitEvent, item_id: str, index: int, *, head: "ToolCallHead") -> None:
        super().__init__(tell, item_id, index)
        self.head = head
        self._text = TextBuffer()
        self._whole = ""
        self._place: Json = {"item_id": item_id, "output_index": index}

    def add(self, piece: str) -> None:
        """A piece of the argument."""
        if piece:
            self._text.add(piece)
            self.emit(f"{self.head.stem}.delta", **self._place, delta=piece)

    @property
    def looks_complete(self) -> bool:
        """Whether its argument looks complete, so that another call's beginning means its end."""
        text = str(self._text)
        return bool(text) if self.head.custom else _is_json(text)

    def finish(self) -> None:
        """Tell the whole of it."""
        self._whole = str(self._text)
        self.emit(f"{self.head.stem}.done", **self._place, **{self.head.field: self._whole})

    def document(self, status: str) -> Json:
        """The item as it is now."""
        head = self.head
        return {
            "id": self.id, "type": head.kind, "status": status, "call_id": head.call_id, "name": head.name,
            head.field: self._whole,
        }  # fmt: skip


class ToolCallHead(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a tool call when it begins."""

    call_id: str
    name: str
    custom: bool = False

    @property
    def kind(self) -> str:
        """The item's type."""
        return "custom_tool_call" if self.custom else "function_call"

    @property
    def field(self) -> str:
        """Where its argument stands."""
        return "input" if self.custom else "arguments"

    @property
    def stem(self) -> str:
        """The stem of the events that carry its argument."""
        return "response.custom_tool_call_input" if self.custom else "response.function_call_arguments"


def _text_part(text: str, annotations: list[Json], logprobs: list[Json]) -> Json:
    return {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": list(logprobs)}


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
