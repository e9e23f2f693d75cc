"""Conversations and their items."""

from typing import Any

import msgspec
from fastapi import Request, Response

from tidegate.conversations.documents.include import all_shown
from tidegate.conversations.documents.items import as_items, kept, type_of
from tidegate.conversations.documents.records import Conversation, Item, PageAsk
from tidegate.conversations.recall import items_in
from tidegate.conversations.state_params import known_id, known_item, metadata_in
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.core.clock import Clock
from tidegate.core.errors import InvalidParameter, MissingParameter, WrongType
from tidegate.core.ids import IdSource
from tidegate.web.openai.handler_base import Front, Json, listed
from tidegate.web.openai.responses import LARGE


class ConversationDesk:
    """The routes below `/v1/conversations`."""

    def __init__(self, front: Front, conversations: ConversationStore, *, ids: IdSource, clock: Clock) -> None:
        self._front = front
        self._conversations = conversations
        self._ids = ids
        self._clock = clock

    async def create(self, request: Request) -> Response:
        """Begin a conversation, with some items if it likes."""
        caller = await self._front.caller(request)
        body = await self._front.document(request)
        conversation = Conversation(id=self._ids("conv_"), created_at=self._clock.now(), metadata=metadata_in(body))
        await self._conversations.create(caller.project, conversation, self._items(body.get("items")))
        return self._front.json(_shown(conversation))

    async def get(self, request: Request, conversation_id: str) -> Response:
        """One conversation."""
        caller = await self._front.caller(request)
        return self._front.json(_shown(await self._conversations.get(caller.project, _known(conversation_id))))

    async def update(self, request: Request, conversation_id: str) -> Response:
        """Give it other metadata."""
        caller = await self._front.caller(request)
        body = await self._front.document(request)
        if "metadata" not in body:
            raise MissingParameter.called("metadata")
        found = await self._conversations.update(caller.project, _known(conversation_id), metadata_in(body))
        return self._front.json(_shown(found))

    async def delete(self, request: Request, conversation_id: str) -> Response:
        """Take its name away; its items stay where responses have them."""
        caller = await self._front.caller(request)
        await self._conversations.delete(caller.project, _known(conversation_id))
        return self._front.json({"id": conversation_id, "object": "conversation.deleted", "deleted": True})

    async def list_items(self, request: Request, conversation_id: str) -> Response:
        """Its items."""
        caller = await self._front.caller(request)
        asked = self._front.query(request)
        ask = PageAsk(
            after=asked.after,
            limit=asked.limit,
            descending=asked.order == "desc",
            large=bool(asked.include & LARGE),
        )
        page = await self._conversations.items(caller.project, _known(conversation_id), ask)
        return self._front.json(listed(all_shown(items_in(page.items), asked.include), has_more=page.has_more))

    async def create_items(self, request: Request, conversation_id: str) -> Response:
        """Add items at its end."""
        caller = await self._front.caller(request)
        asked = self._front.query(request)
        body = await self._front.document(request)
        if "items" not in body:
            raise MissingParameter.called("items")
        items = self._items(body["items"])
        await self._conversations.add_items(caller.project, _known(conversation_id), items)
        return self._front.json(listed(all_shown(items_in(items), asked.include), has_more=False))

    async def get_item(self, request: Request, conversation_id: str, item_id: str) -> Response:
        """One of its items."""
        caller = await self._front.caller(request)
        asked = self._front.query(request)
        large = bool(asked.include & LARGE)
        item = await self._conversations.get_item(
            caller.project, _known(conversation_id), known_item(item_id, "item_id"), large=large
        )
        return self._front.json(all_shown(items_in([item]), asked.include)[0])

    async def delete_item(self, request: Request, conversation_id: str, item_id: str) -> Response:
        """Take an item out."""
        caller = await self._front.caller(request)
        return self._front.json(
            _shown(
                await self._conversations.delete_item(
                    caller.project, _known(conversation_id), known_item(item_id, "item_id")
                )
            )
        )

    def _items(self, given: Any) -> list[Item]:
        if isinstance(given, str):
            raise WrongType.of("items", "an array of items", given)
        items = as_items(given, "items")
        if any(type_of(item) == "item_reference" for item in items):
            raise InvalidParameter("Each of `items` is an item with its content, not a reference.", param="items")
        return [Item.of(msgspec.json.encode(kept(item, self._ids))) for item in items]


def _shown(conversation: Conversation) -> Json:
    return {
        "id": conversation.id,
        "object": "conversation",
        "created_at": int(conversation.created_at),
        "metadata": conversation.metadata,
    }


def _known(conversation_id: str) -> str:
    return known_id(conversation_id, "conversation_id", "conv")
