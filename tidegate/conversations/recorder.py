"""One call's memory: gives the answer its caller's own ids as it goes by, and keeps it before its end is told."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from tidegate.conversations.documents.completion import CompletionForm
from tidegate.conversations.documents.items import kept
from tidegate.conversations.documents.records import Item, StoredCompletion, StoredResponse
from tidegate.conversations.documents.response import Identity, failed
from tidegate.conversations.documents.response_events import ResponseEvents
from tidegate.conversations.state_params import Asked
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.core.clock import Clock
from tidegate.core.errors import StoreError, TidegateError
from tidegate.core.errors.response_error import told
from tidegate.core.ids import IdSource
from tidegate.storage.postgres import Connection

Json = dict[str, Any]


class Memory(Protocol):
    """What a stateful call's answer passes through."""

    def event(self, event: bytes) -> bytes:
        """An event of the answer, as the caller is given it."""
        ...

    def whole(self, body: bytes) -> bytes:
        """An answer in one piece, as the caller is given it."""
        ...

    async def keep(self) -> None:
        """Commit the answer, which has come to its end. Raises StoreError and ConversationBusy."""
        ...

    async def keep_broken(self, error: TidegateError) -> None:
        """The answer broke off: commit it as far as it came, where the caller has heard of it."""
        ...

    async def leave(self) -> None:
        """The caller is served, refused, or gone."""
        ...


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Whose call it is, and what it said."""

    project: str
    request_id: str
    end_user: str | None
    model: str
    said: list[Json]
    """The items or messages of this turn."""
    version: int | None = None
    """Of the conversation, as it was read."""
    promised: bool = False
    """The response is kept already, and waits for its answer; who does the job writes it."""


Leave = Callable[[], Awaitable[None]]


class ResponseMemory:
    """Keeps a Response with its turn."""

    def __init__(
        self,
        turn: Turn,
        identity: Identity,
        *,
        responses: ResponseStore,
        ids: IdSource,
        clock: Clock,
        leave: Leave | None = None,
    ) -> None:
        """`leave` lets others take a turn of the conversation, where this one has it; so does saving it."""
        self._turn = turn
        self._identity = identity
        self._responses = responses
        self._ids = ids
        self._clock = clock
        self._events = ResponseEvents(identity, ids)
        self._leave = leave

    @property
    def id(self) -> str:
        """The response's own id."""
        return self._identity.id

    @property
    def asked(self) -> Asked:
        """What the call asked."""
        return self._identity.asked

    def event(self, event: bytes) -> bytes:
        """An event of the answer, as the caller is given it."""
        return self._events.event(event, now=self._clock.now())

    def whole(self, body: bytes) -> bytes:
        """An answer in one piece, as the caller is given it."""
        return self._events.whole(body, now=self._clock.now())

    async def keep(self) -> None:
        """Commit the turn: its items and the response."""
        if self._events.last is None or self._turn.promised:
            return
        leave, self._leave = self._leave, None  # while it is written nobody else may begin
        try:
            await self._save(self._events.last)
        except StoreError:
            raise  # whoever waits to be told does not wait for the store once more
        except TidegateError:
            self._leave = leave
            raise

    async def keep_broken(self, error: TidegateError) -> None:
        """Commit what came of it, as failed."""
        if self._turn.promised:
            return
        document = self._events.broken_off(now=self._clock.now())
        if document is not None and self.asked.store:
            await self._save(failed(document, told(error)))

    async def leave(self) -> None:
        """Others may take their turn."""
        leave, self._leave = self._leave, None
        if leave is not None:
            await leave()

    def promised(self) -> Json:
        """The response as it waits for its answer."""
        return self._events.promised(self._turn.model, now=self._clock.now())

    async def promise(self, document: Json, within: Connection) -> None:
        """Keep the response, and what it was asked, until its answer comes; others have to wait for it."""
        turn = self._turn
        said = [_item(kept(item, self._ids)) for item in turn.said]
        stored = stored_response(document, turn)
        await self._responses.save(turn.project, stored, said, [], version=turn.version, within=within)

    async def fulfil(self, within: Connection) -> None:
        """Keep the answer that was promised, once its end was seen."""
        document = self._events.last
        assert document is not None  # noqa: S101  # its end was seen
        await self._responses.finish(
            self._turn.project,
            self.id,
            status=document["status"],
            document=_without_output(document),
            outputs=[_item(item) for item in document["output"]],
            within=within,
        )

    async def _save(self, document: Json) -> None:
        asked, turn = self.asked, self._turn
        if not asked.store and asked.conversation is None:
            return
        spoiled = document["status"] == "failed" and asked.conversation is not None
        said = [] if spoiled else [kept(item, self._ids) for item in turn.said]
        answered = [] if spoiled else document["output"]
        await self._responses.save(
            turn.project,
            stored_response(document, turn, listed=asked.store),
            [_item(item) for item in said],
            [_item(item) for item in answered],
            version=turn.version,
        )


class CompletionMemory:
    """Keeps a chat completion with the messages that it answers."""

    def __init__(self, turn: Turn, form: CompletionForm, *, completions: CompletionStore, clock: Clock) -> None:
        self._turn = turn
        self._form = form
        self._completions = completions
        self._clock = clock
        self._kept: Json | None = None

    def event(self, event: bytes) -> bytes:
        """A chunk of the answer, as the caller is given it."""
        return self._form.event(event)

    def whole(self, body: bytes) -> bytes:
        """An answer in one piece, as the caller is given it."""
        answer, self._kept = self._form.whole(body)
        return answer

    async def keep(self) -> None:
        """Commit the completion."""
        document, turn = self._kept or self._form.kept(), self._turn
        await self._completions.save(
            turn.project,
            StoredCompletion(
                id=self._form.id,
                model=str(document.get("model", turn.model)),
                created_at=self._clock.now(),
                document=msgspec.json.encode(document),
                messages=msgspec.json.encode(turn.said),
                end_user=turn.end_user,
                request_id=turn.request_id,
                metadata=document["metadata"],
            ),
        )

    async def keep_broken(self, error: TidegateError) -> None:
        """A completion that broke off is none."""

    async def leave(self) -> None:
        """Completions stood in nobody's way."""


def stored_response(document: Json, turn: Turn, *, listed: bool = True) -> StoredResponse:
    """A whole Response as the store takes it."""
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


def _item(document: Json) -> Item:
    return Item.of(msgspec.json.encode(document))
