"""Translate a chat completion to a Response: chunks in, events out, in OpenAI's order.

Source: OpenAI's API reference, "Streaming events" of the Responses API.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from tidegate.core.errors import MalformedAnswer
from tidegate.wire.charges.usage import merged_objects
from tidegate.wire.shapes.foreign_reasons import CUTS
from tidegate.wire.translate.annotations import annotation_of, logprob_of
from tidegate.wire.translate.chunk import ChatChunk, ChunkChoice, FunctionDelta, ToolDelta
from tidegate.wire.translate.document import in_progress_document, usage_of
from tidegate.wire.translate.output import MessageItem, OutputItem, ReasoningItem, ToolCallHead, ToolCallItem
from tidegate.wire.translate.parts import EXTRA_CONTENT
from tidegate.wire.translate.request import wants_logprobs

Json = dict[str, Any]

_INCOMPLETE_REASONS = {
    **dict.fromkeys(CUTS, "max_output_tokens"),
    **dict.fromkeys(
        (
            "blocklist",
            "content_filter",
            "guardrail_intervened",
            "prohibited_content",
            "recitation",
            "safety",
            "sensitive",
        ),
        "content_filter",
    ),
}
"""Finish reasons of incomplete choices, in lower case, and their names in Responses."""


_NOTHING = FunctionDelta()
_AnyItem = TypeVar("_AnyItem", bound=OutputItem)
_ContentItem = TypeVar("_ContentItem", MessageItem, ReasoningItem)


class ResponseBuilder:
    """Builds a Response from chat chunks, and its events."""

    def __init__(self, request_body: Mapping[str, Any], *, response_id: str, model: str, created_at: float) -> None:
        """`request_body` is the Responses body; `model` is used until the provider names its model."""
        self._request_body = request_body
        self._id = response_id
        self._digits = response_id.partition("_")[2]
        self._model = model
        self._created_at = created_at
        self._tier: str | None = None
        self._usage: Json | None = None
        self._reason: str | None = None
        self._has_begun = False
        self._is_finished = False
        self._number = 0
        self._events: list[Json] = []
        self._items: list[OutputItem] = []
        self._open: MessageItem | ReasoningItem | None = None
        self._calls: dict[int, ToolCallItem] = {}
        self._unnamed: dict[int, ToolDelta] = {}
        """Calls whose name has not arrived yet."""
        self._wants_logprobs = wants_logprobs(request_body)
        self._logprobs: list[Json] = []
        """Log probabilities of tokens whose text has not arrived yet."""

    @property
    def finish_reason(self) -> str | None:
        """The provider's finish reason, in lower case; None until it has sent one."""
        return self._reason

    @property
    def has_begun(self) -> bool:
        """Whether the provider has begun its answer."""
        return self._has_begun

    @property
    def next_sequence_number(self) -> int:
        """The sequence number of the next event."""
        return self._number

    def add_chunk(self, chunk: ChatChunk) -> list[Json]:
        """Add a chunk, in which each tool call has its own index, and return its events. Raises MalformedAnswer."""
        self._model = chunk.model or self._model
        self._tier = chunk.service_tier or self._tier
        if (usage := chunk.usage_object) is not None:
            self._usage = usage if self._usage is None else merged_objects(self._usage, usage)
        choice = chunk.choice
        if choice is not None and not self._is_finished:
            self._begin()
            self._take_delta(choice)
            self._reason = (choice.finish_reason or "").lower() or self._reason
        return self._take_events()

    def finish(self, *, at: float) -> list[Json]:
        """Return the last events, at the chat stream's end (Unix seconds); none without content, and only once."""
        if self._is_finished or not self._has_begun:
            return []
        self._is_finished = True
        for index in list(self._unnamed):
            self._begin_call(index, ToolDelta(), unnamed=True)
        status = self._status()
        self._close("completed" if status == "completed" else "incomplete")
        if status == "completed" and not any(isinstance(item, MessageItem | ToolCallItem) for item in self._items):
            self._open_item(MessageItem, "msg_").annotate([])
            self._close("completed")
        self._emit(f"response.{status}", response=self._final_document(status, at))
        return self._take_events()

    def _take_events(self) -> list[Json]:
        events, self._events = self._events, []
        return events

    def _status(self) -> str:
        return "incomplete" if self._reason is None or self._reason in _INCOMPLETE_REASONS else "completed"

    def _document(self) -> Json:
        document = in_progress_document(
            self._request_body, response_id=self._id, created_at=self._created_at, model=self._model
        )
        return document if self._tier is None else {**document, "service_tier": self._tier}

    def _final_document(self, status: str, at: float) -> Json:
        incomplete_reason = _INCOMPLETE_REASONS.get(self._reason or "")
        return {
            **self._document(),
            "status": status,
            "completed_at": int(at) if status == "completed" else None,
            "error": None,  # a failure arrives as an error object, which is given as it is
            "incomplete_details": {"reason": incomplete_reason} if status == "incomplete" else None,
            "output": [item.finished_item for item in self._items],
            "usage": usage_of(self._usage),
        }

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._emit("response.created", response=self._document())
            self._emit("response.in_progress", response=self._document())

    def _take_delta(self, choice: ChunkChoice) -> None:
        delta = choice.delta
        if choice.logprobs is not None and self._wants_logprobs:
            tokens = choice.logprobs.content or ()
            self._logprobs += [logprob_of(token) for token in tokens if isinstance(token, dict)]
        if delta is None:
            return
        if reasoning := delta.reasoning_text():
            self._open_item(ReasoningItem, "rs_").add(reasoning)
        if text := delta.text():
            logprobs, self._logprobs = self._logprobs, []
            self._open_item(MessageItem, "msg_").add_text(text, logprobs)
        if delta.refusal:
            self._open_item(MessageItem, "msg_").add_refusal(delta.refusal)
        if delta.annotations:
            annotations = [annotation_of(one) for one in delta.annotations if isinstance(one, dict)]
            self._open_item(MessageItem, "msg_").annotate(annotations)
        for call in delta.tool_deltas():
            self._call(call)

    def _open_item(self, kind: type[_ContentItem], prefix: str) -> _ContentItem:
        """Return the open item of this kind, or a new one."""
        if isinstance(self._open, kind):
            return self._open
        self._close_open()
        self._close_calls()
        item = self._add(kind(self._emit, self._make_id(prefix), len(self._items)))
        self._open = item
        return item

    def _call(self, delta: ToolDelta) -> None:
        index = delta.index or 0
        call = self._calls.get(index) or self._begin_call(index, delta)
        if call is None:
            return
        piece = (delta.custom or delta.function or _NOTHING).text
        if call.finished_item is None:
            call.add(piece)
        elif piece.strip():
            raise MalformedAnswer("The upstream continued a tool call that was complete.")

    def _begin_call(self, index: int, delta: ToolDelta, *, unnamed: bool = False) -> ToolCallItem | None:
        """Begin the call once its name is known; earlier pieces of its argument are buffered."""
        part = delta.custom or delta.function or _NOTHING
        early = self._unnamed.pop(index, None)
        call_id = delta.id or (early.id if early else None)
        early_arguments = early.function.text if early and early.function else ""
        if not part.name and not unnamed:
            function = FunctionDelta(arguments=early_arguments + part.text)
            self._unnamed[index] = ToolDelta(id=call_id, function=function, extra_content=delta.extra_content)
            return None
        self._close_open()
        self._close_calls()
        custom = delta.custom is not None
        content = delta.extra_content or (early.extra_content if early else None)
        extra = {EXTRA_CONTENT: content} if isinstance(content, dict) else {}
        call_id = call_id or self._make_id("call_")
        head = ToolCallHead(call_id=call_id, name=part.name or "", custom=custom, extra=extra)
        call = ToolCallItem(self._emit, self._make_id("ctc_" if custom else "fc_"), len(self._items), head=head)
        self._calls[index] = self._add(call)
        call.add(early_arguments)
        return call

    def _close_open(self) -> None:
        if self._open is not None:
            self._open.end("completed")
            self._open = None

    def _close_calls(self) -> None:
        """End the calls that look complete: OpenAI sends the events of one item after the other."""
        for call in self._calls.values():
            if call.finished_item is None and call.looks_complete:
                call.end("completed")

    def _close(self, status: str) -> None:
        self._open = None
        for item in self._items:
            if item.finished_item is None:
                item.end(status)

    def _add(self, item: _AnyItem) -> _AnyItem:
        self._items.append(item)
        item.begin()
        return item

    def _make_id(self, prefix: str) -> str:
        return f"{prefix}{self._digits}{len(self._items):02x}"

    def _emit(self, kind: str, **fields: Any) -> None:
        self._events.append({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
