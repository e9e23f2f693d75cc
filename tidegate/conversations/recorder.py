"""Records the answer of one stateful call: gives it the caller's own ids, and stores it before its last event leaves.

Called by the pipeline.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from tidegate.conversations.documents.completion import CompletionDocument
from tidegate.conversations.documents.items import stored_item
from tidegate.conversations.documents.records import ConversationItem, StoredCompletion, StoredResponse
from tidegate.conversations.documents.response import ResponseIdentity, failed_document
from tidegate.conversations.documents.response_events import ResponseStreamRewriter
from tidegate.conversations.state_params import StateParams
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.core.clock import Clock
from tidegate.core.errors import StoreError, TidegateError
from tidegate.core.errors.response_error import response_error
from tidegate.core.ids import IdSource
from tidegate.storage.postgres import Connection

Json = dict[str, Any]


class ResponseRecorder(Protocol):
    """Records the answer of a stateful call."""

    def rewrite_event(self, event: bytes) -> bytes:
        """Return an event of the answer with the caller's own ids."""
        ...

    def rewrite_body(self, body: bytes) -> bytes:
        """Return an unstreamed answer with the caller's own ids."""
        ...

    async def save(self) -> None:
        """Store the answer, which is complete. Raises StoreError and ConversationLocked."""
        ...

    async def save_failure(self, error: TidegateError) -> None:
        """Store as much of a failed answer as the caller has received."""
        ...

    async def release(self) -> None:
        """Release the conversation: the call is over, whatever its result."""
        ...


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """The identity and the input of a turn."""

    project: str
    request_id: str
    end_user: str | None
    model: str
    items: list[Json]
    """The items or messages of this turn."""
    version: int | None = None
    """The conversation's version when its history was read."""
    has_placeholder: bool = False
    """Whether the response is stored as a placeholder already; the background worker then stores its result."""


ReleaseLease = Callable[[], Awaitable[None]]


class ResponsesRecorder:
    """Store a Response with its turn."""

    def __init__(
        self,
        turn: Turn,
        identity: ResponseIdentity,
        *,
        responses: ResponseStore,
        ids: IdSource,
        clock: Clock,
        release_lease: ReleaseLease | None = None,
    ) -> None:
        """`release_lease` lets other turns of the conversation begin; saving this turn does so, too."""
        self._turn = turn
        self._identity = identity
        self._responses = responses
        self._ids = ids
        self._clock = clock
        self._events = ResponseStreamRewriter(identity, ids)
        self._release_lease = release_lease

    @property
    def id(self) -> str:
        """Return the response's own id."""
        return self._identity.id

    @property
    def state_params(self) -> StateParams:
        """Return the call's state parameters."""
        return self._identity.state_params

    def rewrite_event(self, event: bytes) -> bytes:
        """Return an event of the answer with the caller's own ids."""
        return self._events.rewrite_event(event, now=self._clock.now())

    def rewrite_body(self, body: bytes) -> bytes:
        """Return an unstreamed answer with the caller's own ids."""
        return self._events.rewrite_body(body, now=self._clock.now())

    async def save(self) -> None:
        """Store the turn: its items and the response."""
        if self._events.final_document is None or self._turn.has_placeholder:
            return
        leave, self._release_lease = self._release_lease, None  # no other turn may begin while this one is written
        try:
            await self._save_turn(self._events.final_document)
        except StoreError:
            raise  # the caller waits for this error, so the lease is left to expire
        except TidegateError:
            self._release_lease = leave
            raise

    async def save_failure(self, error: TidegateError) -> None:
        """Store what was received, as a failed response."""
        if self._turn.has_placeholder:
            return
        document = self._events.partial_document(now=self._clock.now())
        if document is not None and self.state_params.store:
            await self._save_turn(failed_document(document, response_error(error)))

    async def release(self) -> None:
        """Let other turns of the conversation begin."""
        leave, self._release_lease = self._release_lease, None
        if leave is not None:
            await leave()

    def placeholder(self) -> Json:
        """Return the response as it waits for its answer."""
        return self._events.placeholder(self._turn.model, now=self._clock.now())

    async def save_placeholder(self, document: Json, transaction: Connection) -> None:
        """Store the response and its input before it is answered; other turns of its conversation have to wait."""
        turn = self._turn
        input_items = [_item(stored_item(item, self._ids)) for item in turn.items]
        stored = stored_response(document, turn)
        await self._responses.save(turn.project, stored, input_items, [], version=turn.version, transaction=transaction)

    async def save_result(self, transaction: Connection) -> None:
        """Store the result of a background response after its last event."""
        document = self._events.final_document
        assert document is not None  # noqa: S101  # its end was seen
        await self._responses.finish(
            self._turn.project,
            self.id,
            status=document["status"],
            document=_without_output(document),
            outputs=[_item(item) for item in document["output"]],
            transaction=transaction,
        )

    async def _save_turn(self, document: Json) -> None:
        state_params, turn = self.state_params, self._turn
        if not state_params.store and state_params.conversation is None:
            return
        is_failed_turn = document["status"] == "failed" and state_params.conversation is not None
        input_items = [] if is_failed_turn else [stored_item(item, self._ids) for item in turn.items]
        output_items = [] if is_failed_turn else document["output"]
        await self._responses.save(
            turn.project,
            stored_response(document, turn, listed=state_params.store),
            [_item(item) for item in input_items],
            [_item(item) for item in output_items],
            version=turn.version,
        )


class CompletionsRecorder:
    """Store a chat completion with the messages of its request."""

    def __init__(self, turn: Turn, document: CompletionDocument, *, completions: CompletionStore, clock: Clock) -> None:
        self._turn = turn
        self._document = document
        self._completions = completions
        self._clock = clock
        self._stored_document: Json | None = None

    def rewrite_event(self, event: bytes) -> bytes:
        """Return a chunk of the answer with the caller's own id."""
        return self._document.rewrite_event(event)

    def rewrite_body(self, body: bytes) -> bytes:
        """Return an unstreamed answer with the caller's own id."""
        answer, self._stored_document = self._document.rewrite_body(body)
        return answer

    async def save(self) -> None:
        """Store the completion."""
        document, turn = self._stored_document or self._document.stored_document(), self._turn
        await self._completions.save(
            turn.project,
            StoredCompletion(
                id=self._document.id,
                model=str(document.get("model", turn.model)),
                created_at=self._clock.now(),
                document=msgspec.json.encode(document),
                messages=msgspec.json.encode(turn.items),
                end_user=turn.end_user,
                request_id=turn.request_id,
                metadata=document["metadata"],
            ),
        )

    async def save_failure(self, error: TidegateError) -> None:
        """Store nothing: a completion that failed is not stored."""

    async def release(self) -> None:
        """Do nothing: a completion holds no lease."""


def stored_response(document: Json, turn: Turn, *, listed: bool = True) -> StoredResponse:
    """Return a whole Response as the record for the store."""
    conversation = document["conversation"]
    return StoredResponse(
        id=document["id"],
        model=str(document.get("model", turn.model)),
        created_at=document["created_at"],
        document=_without_output(document),
        status=document["status"],
        previous_response_id=document["previous_response_id"],
        conversation_id=conversation["id"] if conversation else None,
        background=document["background"],
        end_user=turn.end_user,
        request_id=turn.request_id,
        metadata=document["metadata"],
        listed=listed,
    )


def _without_output(document: Json) -> bytes:
    return msgspec.json.encode({name: value for name, value in document.items() if name != "output"})


def _item(document: Json) -> ConversationItem:
    return ConversationItem.from_document(msgspec.json.encode(document))
