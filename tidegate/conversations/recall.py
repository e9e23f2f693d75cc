"""Loads the history of a stateful call into its input, so that the upstream needs no stored state.

Called by the pipeline in its step "recall".
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from tidegate.conversations import history
from tidegate.conversations import state_params as asking
from tidegate.conversations.documents.completion import CompletionDocument
from tidegate.conversations.documents.items import input_items, type_of
from tidegate.conversations.documents.records import ConversationItem, History
from tidegate.conversations.documents.response import ResponseIdentity
from tidegate.conversations.recorder import CompletionsRecorder, ResponseRecorder, ResponsesRecorder, Turn
from tidegate.conversations.state_params import StateParams
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.conversations import ConversationStore, ItemStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.core.clock import Clock
from tidegate.core.endpoints import Format
from tidegate.core.errors import InvalidParameter, PostgresUnavailable
from tidegate.core.ids import IdSource
from tidegate.wire.call import Call

Json = dict[str, Any]

_decode_items = msgspec.json.Decoder(list[dict[str, Any]])


class RecallRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The identity of a call whose history is loaded."""

    project: str
    request_id: str
    pending_response_id: str = ""
    """The id of the background response that this call answers; empty for any other call."""
    created_at: float | None = None
    """When that response was created, Unix seconds."""


class HistoryLoader:
    """Turn stateful calls into stateless ones."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        *,
        responses: ResponseStore,
        completions: CompletionStore,
        conversations: ConversationStore,
        items: ItemStore,
        check_ready: Callable[[], Awaitable[None]],
        ids: IdSource,
        clock: Clock,
    ) -> None:
        """`check_ready` raises PostgresUnavailable where nothing can be stored. The call is then not sent."""
        self._responses = responses
        self._completions = completions
        self._conversations = conversations
        self._items = items
        self._check_ready = check_ready
        self._ids = ids
        self._clock = clock

    async def load(self, call: Call, recall_request: RecallRequest) -> tuple[Call, ResponseRecorder | None]:
        """Return the call for the upstream and the recorder of its answer, or the unchanged call and None.

        A call without stored state is returned unchanged. The caller has to `release` the recorder. Raises
        PreviousResponseNotFound, ConversationNotFound, ItemNotFound, ConversationLocked, HistoryTooLarge,
        InvalidParameter and PostgresUnavailable.
        """
        state_params = asking.read_state_params(call)
        if state_params is None:
            return call, None
        if call.endpoint.format is Format.CHAT:
            await self._check_ready()
            return history.stateless_chat(call), self._completions_recorder(call, state_params, recall_request)
        input_items = await self._resolved_input(recall_request.project, call, state_params)
        if not state_params.is_stateful and not history.uses_stored_items(input_items, call.body.get("input")):
            return call, None
        name = recall_request.pending_response_id or self._ids("resp_")
        history_before = await self._load_history(recall_request, state_params, name)
        memory = self._responses_recorder(call, state_params, recall_request, name, input_items, history_before)
        try:
            changed_input = input_items if history_before.items or state_params.has_references else None
            return history.stateless_response(call, history=history_before.items, input_items=changed_input), memory
        except InvalidParameter:
            await memory.release()
            raise

    async def with_history(self, call: Call, project: str) -> Call:
        """Return the call with its whole history, for measuring its size only."""
        return (await self.load(call, RecallRequest(project=project, request_id="")))[0]

    async def _load_history(self, asker: RecallRequest, state_params: StateParams, name: str) -> History:
        """Return the history; for a turn of a conversation with the lease, under which the response `name` is made."""
        project = asker.project
        if asker.pending_response_id:
            return await self._responses.history_before(project, asker.pending_response_id)
        if state_params.conversation is not None:
            if not asker.request_id:
                return await self._conversations.history(project, state_params.conversation)
            return await self._conversations.begin_turn(project, state_params.conversation, name)
        if state_params.previous_response_id is None:
            if state_params.store:
                await self._check_ready()
            return History(items=())
        return await self._responses.history(project, state_params.previous_response_id)

    async def _resolved_input(self, project: str, call: Call, state_params: StateParams) -> list[Json]:
        call_items = input_items(call.body.get("input"))
        if not state_params.has_references:
            return call_items
        names = history.referenced_ids(call_items)
        try:
            stored_items = await self._items.find(project, names) if names else ()
        except PostgresUnavailable:
            if state_params.is_stateful or any(type_of(item) == "item_reference" for item in call_items):
                raise
            stored_items = ()  # the input goes unchanged: the reasoning may be stored upstream
        return history.resolve_references(
            call_items, {item.id: msgspec.json.decode(item.document) for item in stored_items}
        )

    def _responses_recorder(  # a parameter for each part
        self,
        call: Call,
        state_params: StateParams,
        asker: RecallRequest,
        name: str,
        input_items: list[Json],
        history_before: History,
    ) -> ResponsesRecorder:
        identity = ResponseIdentity(
            id=name,
            state_params=state_params,
            body=call.body,
            created_at=int(self._clock.now() if asker.created_at is None else asker.created_at),
        )
        turn = Turn(
            project=asker.project,
            request_id=asker.request_id,
            end_user=call.end_user,
            model=call.model,
            items=input_items,
            version=history_before.version,
            has_placeholder=bool(asker.pending_response_id),
        )
        leave = partial(self._conversations.release_lease, history_before.lease) if history_before.lease else None
        return ResponsesRecorder(
            turn, identity, responses=self._responses, ids=self._ids, clock=self._clock, release_lease=leave
        )

    def _completions_recorder(self, call: Call, state_params: StateParams, asker: RecallRequest) -> CompletionsRecorder:
        messages = call.body.get("messages")
        turn = Turn(
            project=asker.project,
            request_id=asker.request_id,
            end_user=call.end_user,
            model=call.model,
            items=messages if isinstance(messages, list) else [],
        )
        form = CompletionDocument(self._ids("chatcmpl-"), call.body, state_params.metadata)
        return CompletionsRecorder(turn, form, completions=self._completions, clock=self._clock)


def documents_of(items: Sequence[ConversationItem]) -> list[Json]:
    """Return the documents of items."""
    return _decode_items.decode(b"[" + b",".join([item.document for item in items]) + b"]") if items else []
