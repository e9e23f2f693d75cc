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
        asked = asking.read_state_params(call)
        if asked is None:
            return call, None
        if call.endpoint.format is Format.CHAT:
            await self._check_ready()
            return history.stateless_chat(call), self._completions_recorder(call, asked, recall_request)
        given = await self._resolved_input(recall_request.project, call, asked)
        if not asked.is_stateful and not history.uses_stored_items(given, call.body.get("input")):
            return call, None
        name = recall_request.pending_response_id or self._ids("resp_")
        past = await self._load_history(recall_request, asked, name)
        memory = self._responses_recorder(call, asked, recall_request, name, given, past)
        try:
            given_anew = given if past.items or asked.has_references else None
            return history.stateless_response(call, history=past.items, input_items=given_anew), memory
        except InvalidParameter:
            await memory.release()
            raise

    async def with_history(self, call: Call, project: str) -> Call:
        """Return the call with its whole history, for measuring its size only."""
        return (await self.load(call, RecallRequest(project=project, request_id="")))[0]

    async def _load_history(self, asker: RecallRequest, asked: StateParams, name: str) -> History:
        """Return the history; for a turn of a conversation with the lease, under which the response `name` is made."""
        project = asker.project
        if asker.pending_response_id:
            return await self._responses.history_before(project, asker.pending_response_id)
        if asked.conversation is not None:
            if not asker.request_id:
                return await self._conversations.history(project, asked.conversation)
            return await self._conversations.begin_turn(project, asked.conversation, name)
        if asked.previous_response_id is None:
            if asked.store:
                await self._check_ready()
            return History(items=())
        return await self._responses.history(project, asked.previous_response_id)

    async def _resolved_input(self, project: str, call: Call, asked: StateParams) -> list[Json]:
        given = input_items(call.body.get("input"))
        if not asked.has_references:
            return given
        names = history.referenced_ids(given)
        try:
            found = await self._items.find(project, names) if names else ()
        except PostgresUnavailable:
            if asked.is_stateful or any(type_of(item) == "item_reference" for item in given):
                raise
            found = ()  # the input goes unchanged: the reasoning may be stored upstream
        return history.resolve_references(given, {item.id: msgspec.json.decode(item.document) for item in found})

    def _responses_recorder(  # a parameter for each part
        self, call: Call, asked: StateParams, asker: RecallRequest, name: str, given: list[Json], past: History
    ) -> ResponsesRecorder:
        identity = ResponseIdentity(
            id=name,
            state_params=asked,
            body=call.body,
            created_at=int(self._clock.now() if asker.created_at is None else asker.created_at),
        )
        turn = Turn(
            project=asker.project,
            request_id=asker.request_id,
            end_user=call.end_user,
            model=call.model,
            items=given,
            version=past.version,
            has_placeholder=bool(asker.pending_response_id),
        )
        leave = partial(self._conversations.release_lease, past.lease) if past.lease else None
        return ResponsesRecorder(
            turn, identity, responses=self._responses, ids=self._ids, clock=self._clock, release_lease=leave
        )

    def _completions_recorder(self, call: Call, asked: StateParams, asker: RecallRequest) -> CompletionsRecorder:
        messages = call.body.get("messages")
        turn = Turn(
            project=asker.project,
            request_id=asker.request_id,
            end_user=call.end_user,
            model=call.model,
            items=messages if isinstance(messages, list) else [],
        )
        form = CompletionDocument(self._ids("chatcmpl-"), call.body, asked.metadata)
        return CompletionsRecorder(turn, form, completions=self._completions, clock=self._clock)


def documents_of(items: Sequence[ConversationItem]) -> list[Json]:
    """Return the documents of items."""
    return _decode_items.decode(b"[" + b",".join([item.document for item in items]) + b"]") if items else []
