"""What was said before a call: it is put into the call, so that whoever answers needs no memory."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from tidegate.conversations import history
from tidegate.conversations import state_params as asking
from tidegate.conversations.documents.completion import CompletionForm
from tidegate.conversations.documents.items import as_items, type_of
from tidegate.conversations.documents.records import Item, Past
from tidegate.conversations.documents.response import Identity
from tidegate.conversations.recorder import CompletionMemory, Memory, ResponseMemory, Turn
from tidegate.conversations.state_params import Asked
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.conversations.storage.items import ItemStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.core.clock import Clock
from tidegate.core.endpoints import Format
from tidegate.core.errors import InvalidParameter, PostgresUnavailable
from tidegate.core.ids import IdSource
from tidegate.wire.call import Call

Json = dict[str, Any]

_decode_items = msgspec.json.Decoder(list[dict[str, Any]])


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """Whose call it is."""

    project: str
    request_id: str
    promised: str = ""
    """The id of the response that waits for this call's answer; empty where none was promised."""
    created_at: float | None = None
    """When it was promised, Unix seconds."""


class Recollection:
    """Makes stateful calls stateless."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        *,
        responses: ResponseStore,
        completions: CompletionStore,
        conversations: ConversationStore,
        items: ItemStore,
        ready: Callable[[], Awaitable[None]],
        ids: IdSource,
        clock: Clock,
    ) -> None:
        """`ready` raises PostgresUnavailable where nothing can be kept: then nothing is paid for either."""
        self._responses = responses
        self._completions = completions
        self._conversations = conversations
        self._items = items
        self._ready = ready
        self._ids = ids
        self._clock = clock

    async def recall(self, call: Call, asker: Asker) -> tuple[Call, Memory | None]:
        """The call as it goes upstream, and its memory; the call as it is and None where it asks for none.

        Whoever is given a memory has to `leave` it.
        Raises PreviousResponseNotFound, ConversationNotFound, ItemNotFound, ConversationBusy, HistoryTooLarge,
        InvalidParameter and PostgresUnavailable.
        """
        asked = asking.read(call)
        if asked is None:
            return call, None
        if call.route.format is Format.CHAT:
            await self._ready()
            return history.stateless_chat(call), self._completion(call, asked, asker)
        given = await self._given(asker.project, call, asked)
        if not asked.keeps and not history.speaks_of_ours(given, call.body.get("input")):
            return call, None
        name = asker.promised or self._ids("resp_")
        past = await self._past(asker, asked, name)
        memory = self._response(call, asked, asker, name, given, past)
        try:
            given_anew = given if past.said or asked.refers else None
            return history.stateless_response(call, before=past.said, given=given_anew), memory
        except InvalidParameter:
            await memory.leave()
            raise

    async def expanded(self, call: Call, project: str) -> Call:
        """The call with all that it goes on from, where only its size is wanted."""
        return (await self.recall(call, Asker(project=project, request_id="")))[0]

    async def _past(self, asker: Asker, asked: Asked, name: str) -> Past:
        """What was said; of a conversation with the lease, for the response `name` is now made in it."""
        project = asker.project
        if asker.promised:
            return await self._responses.before(project, asker.promised)
        if asked.conversation is not None:
            if not asker.request_id:
                return await self._conversations.past(project, asked.conversation)
            return await self._conversations.turn(project, asked.conversation, name)
        if asked.previous is None:
            if asked.store:
                await self._ready()
            return Past(said=())
        return await self._responses.history(project, asked.previous)

    async def _given(self, project: str, call: Call, asked: Asked) -> list[Json]:
        given = as_items(call.body.get("input"))
        if not asked.refers:
            return given
        names = history.named_in(given)
        try:
            found = await self._items.named(project, names) if names else ()
        except PostgresUnavailable:
            if asked.keeps or any(type_of(item) == "item_reference" for item in given):
                raise
            found = ()  # it goes as it came: the reasoning may be the upstream's own
        return history.resolved(given, {item.id: msgspec.json.decode(item.document) for item in found})

    def _response(  # a parameter for each part
        self, call: Call, asked: Asked, asker: Asker, name: str, given: list[Json], past: Past
    ) -> ResponseMemory:
        identity = Identity(
            id=name,
            asked=asked,
            body=call.body,
            created_at=int(self._clock.now() if asker.created_at is None else asker.created_at),
        )
        turn = Turn(
            project=asker.project,
            request_id=asker.request_id,
            end_user=call.end_user,
            model=call.model,
            said=given,
            version=past.version,
            promised=bool(asker.promised),
        )
        leave = partial(self._conversations.give_back, past.lease) if past.lease else None
        return ResponseMemory(turn, identity, responses=self._responses, ids=self._ids, clock=self._clock, leave=leave)

    def _completion(self, call: Call, asked: Asked, asker: Asker) -> CompletionMemory:
        messages = call.body.get("messages")
        turn = Turn(
            project=asker.project,
            request_id=asker.request_id,
            end_user=call.end_user,
            model=call.model,
            said=messages if isinstance(messages, list) else [],
        )
        form = CompletionForm(self._ids("chatcmpl-"), call.body, asked.metadata)
        return CompletionMemory(turn, form, completions=self._completions, clock=self._clock)


def items_in(items: Sequence[Item]) -> list[Json]:
    """The documents of items."""
    return _decode_items.decode(b"[" + b",".join([item.document for item in items]) + b"]") if items else []
