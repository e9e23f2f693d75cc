"""A chat completion on its way to being a Response: chunks in, events out, in the order that OpenAI tells them.

Source: OpenAI's API reference, "Streaming events" of the Responses API.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from tidegate.core.errors import MalformedAnswer
from tidegate.wire.translate.annotations import annotation_of, logprob_of
from tidegate.wire.translate.chunk import ChatChunk, ChunkChoice, FunctionDelta, ToolDelta
from tidegate.wire.translate.document import in_progress_document, usage_of
from tidegate.wire.translate.output import MessageItem, OutputItem, ReasoningItem, ToolCallHead, ToolCallItem
from tidegate.wire.translate.request import wants_logprobs

Json = dict[str, Any]

_CUT = {"length": "max_output_tokens", "model_length": "max_output_tokens", "content_filter": "content_filter"}
"""Why a choice finished that is not whole, and what Responses calls it."""

_FAILED = frozenset({"error", "insufficient_system_resource"})
"""Providers' own words for a choice that they could not finish."""

_NOTHING = FunctionDelta()
_AnyItem = TypeVar("_AnyItem", bound=OutputItem)
_Said = TypeVar("_Said", MessageItem, ReasoningItem)


class ResponseBuilder:
    """What has been said so far, and the events that tell it."""

    def __init__(self, request_body: Mapping[str, Any], *, response_id: str, model: str, created_at: float) -> None:
        """`asked` is the Responses body, `model` the name to say while the provider says none."""
        self._asked = request_body
        self._id = response_id
        self._digits = response_id.partition("_")[2]
        self._model = model
        self._created_at = created_at
        self._tier: str | None = None
        self._usage: Json | None = None
        self._reason: str | None = None
        self._begun = False
        self._over = False
        self._number = 0
        self._told: list[Json] = []
        self._items: list[OutputItem] = []
        self._open: MessageItem | ReasoningItem | None = None
        self._calls: dict[int, ToolCallItem] = {}
        self._nameless: dict[int, ToolDelta] = {}
        """Calls of which no name has come yet."""
        self._wants_logprobs = wants_logprobs(request_body)
        self._logprobs: list[Json] = []
        """Those of tokens whose text has not come yet."""

    @property
    def has_finish_reason(self) -> bool:
        """Whether the provider has said why it finished."""
        return self._reason is not None

    @property
    def next_sequence_number(self) -> int:
        """The next event's."""
        return self._number

    def add_chunk(self, chunk: ChatChunk) -> list[Json]:
        """The events that a chunk makes. Raises MalformedAnswer."""
        self._model = chunk.model or self._model
        self._tier = chunk.service_tier or self._tier
        self._usage = chunk.usage if isinstance(chunk.usage, dict) else self._usage
        choice = chunk.choice
        if choice is not None and not self._over:
            self._begin()
            self._take_delta(choice)
            self._reason = choice.finish_reason or self._reason
        return self._taken()

    def finish(self, *, at: float) -> list[Json]:
        """The last events, at the chat stream's end (Unix seconds); none where nothing was ever said, and only once."""
        if self._over or not self._begun:
            return []
        self._over = True
        for index in list(self._nameless):
            self._began(index, ToolDelta(), nameless=True)
        status = self._status()
        self._close("completed" if status == "completed" else "incomplete")
        if status == "completed" and not any(isinstance(item, MessageItem | ToolCallItem) for item in self._items):
            self._spoken(MessageItem, "msg_").annotate([])
            self._close("completed")
        self._tell(f"response.{status}", response=self._ended(status, at))
        return self._taken()

    def _taken(self) -> list[Json]:
        told, self._told = self._told, []
        return told

    def _status(self) -> str:
        if self._reason in _FAILED:
            return "failed"
        return "incomplete" if self._reason is None or self._reason in _CUT else "completed"

    def _document(self) -> Json:
        document = in_progress_document(
            self._asked, response_id=self._id, created_at=self._created_at, model=self._model
        )
        return document if self._tier is None else {**document, "service_tier": self._tier}

    def _ended(self, status: str, at: float) -> Json:
        failure = {"code": "server_error", "message": f"The model stopped with `{self._reason}`."}
        return {
            **self._document(),
            "status": status,
            "completed_at": int(at) if status == "completed" else None,
            "error": failure if status == "failed" else None,
            "incomplete_details": {"reason": _CUT.get(self._reason or "")} if status == "incomplete" else None,
            "output": [item.finished_item for item in self._items],
            "usage": usage_of(self._usage),
        }

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._tell("response.created", response=self._document())
            self._tell("response.in_progress", response=self._document())

    def _take_delta(self, choice: ChunkChoice) -> None:
        delta = choice.delta
        if choice.logprobs is not None and self._wants_logprobs:
            tokens = choice.logprobs.content or ()
            self._logprobs += [logprob_of(token) for token in tokens if isinstance(token, dict)]
        if delta is None:
            return
        if thoughts := delta.reasoning_text():
            self._spoken(ReasoningItem, "rs_").add(thoughts)
        if text := delta.text():
            logprobs, self._logprobs = self._logprobs, []
            self._spoken(MessageItem, "msg_").add_text(text, logprobs)
        if delta.refusal:
            self._spoken(MessageItem, "msg_").add_refusal(delta.refusal)
        if delta.annotations:
            notes = [annotation_of(note) for note in delta.annotations if isinstance(note, dict)]
            self._spoken(MessageItem, "msg_").annotate(notes)
        for call in delta.tool_deltas():
            self._call(call)

    def _spoken(self, kind: type[_Said], prefix: str) -> _Said:
        """The item of this kind that is open, or the next one."""
        if isinstance(self._open, kind):
            return self._open
        self._close_open()
        self._close_calls()
        item = self._added(kind(self._tell, self._name(prefix), len(self._items)))
        self._open = item
        return item

    def _call(self, delta: ToolDelta) -> None:
        index = self._index_of(delta)
        call = self._calls.get(index) or self._began(index, delta)
        if call is None:
            return
        piece = (delta.custom or delta.function or _NOTHING).text
        if call.finished_item is None:
            call.add(piece)
        elif piece.strip():
            raise MalformedAnswer("The upstream goes on with a tool call that was complete.")

    def _index_of(self, delta: ToolDelta) -> int:
        """Which call this is a piece of: some providers leave the index out, or number all their calls 0."""
        index = delta.index
        if index is None:
            index = 0 if delta.id or not self._calls else max(self._calls)
        call = self._calls.get(index)
        another = call is not None and delta.id and delta.id != call.head.call_id
        return max(self._calls) + 1 if another else index

    def _began(self, index: int, delta: ToolDelta, *, nameless: bool = False) -> ToolCallItem | None:
        """The call, once its name is known; what came of its argument before that is kept."""
        part = delta.custom or delta.function or _NOTHING
        early = self._nameless.pop(index, None)
        call_id = delta.id or (early.id if early else None)
        kept = early.function.text if early and early.function else ""
        if not part.name and not nameless:
            self._nameless[index] = ToolDelta(id=call_id, function=FunctionDelta(arguments=kept + part.text))
            return None
        self._close_open()
        self._close_calls()
        custom = delta.custom is not None
        head = ToolCallHead(call_id=call_id or self._name("call_"), name=part.name or "", custom=custom)
        call = ToolCallItem(self._tell, self._name("ctc_" if custom else "fc_"), len(self._items), head=head)
        self._calls[index] = self._added(call)
        call.add(kept)
        return call

    def _close_open(self) -> None:
        if self._open is not None:
            self._open.end("completed")
            self._open = None

    def _close_calls(self) -> None:
        """End the calls that are whole: OpenAI tells of one item after the other."""
        for call in self._calls.values():
            if call.finished_item is None and call.looks_complete:
                call.end("completed")

    def _close(self, status: str) -> None:
        self._open = None
        for item in self._items:
            if item.finished_item is None:
                item.end(status)

    def _added(self, item: _AnyItem) -> _AnyItem:
        self._items.append(item)
        item.begin()
        return item

    def _name(self, prefix: str) -> str:
        return f"{prefix}{self._digits}{len(self._items):02x}"

    def _tell(self, kind: str, **fields: Any) -> None:
        self._told.append({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
