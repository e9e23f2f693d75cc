"""Handlers for conversations and their items. Registered by openai/routes.py."""

from typing import Any

import msgspec
from fastapi import Request, Response

from tidegate.conversations.documents.include import filter_items
from tidegate.conversations.documents.items import input_items, stored_item, type_of
from tidegate.conversations.documents.records import Conversation, ConversationItem, PageRequest
from tidegate.conversations.recall import documents_of
from tidegate.conversations.state_params import checked_id, checked_item_id, metadata_in
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.core.clock import Clock
from tidegate.core.errors import InvalidParameter, MissingParameter, WrongType
from tidegate.core.ids import IdSource
from tidegate.web.openai.handler_base import HandlerBase, Json, list_page
from tidegate.web.openai.responses import IMAGE_INCLUDES


class ConversationHandlers:
    """The routes below `/v1/conversations`."""

    def __init__(self, base: HandlerBase, conversations: ConversationStore, *, ids: IdSource, clock: Clock) -> None:
        self._base = base
        self._conversations = conversations
        self._ids = ids
        self._clock = clock

    async def create(self, request: Request) -> Response:
        """Create a conversation, optionally with items."""
        caller = await self._base.admit(request)
        with self._base.memory_hold(caller) as hold:
            body = await self._base.read_json(request, hold)
            conversation = Conversation(id=self._ids("conv_"), created_at=self._clock.now(), metadata=metadata_in(body))
            await self._conversations.create(caller.project, conversation, self._read_items(body.get("items")))
        return self._base.json_response(_conversation_json(conversation))

    async def get(self, request: Request, conversation_id: str) -> Response:
        """Return one conversation."""
        caller = await self._base.admit(request)
        return self._base.json_response(
            _conversation_json(await self._conversations.get(caller.project, _checked_id(conversation_id)))
        )

    async def update(self, request: Request, conversation_id: str) -> Response:
        """Replace the metadata."""
        caller = await self._base.admit(request)
        with self._base.memory_hold(caller) as hold:
            body = await self._base.read_json(request, hold)
            if "metadata" not in body:
                raise MissingParameter.of("metadata")
            metadata = metadata_in(body)
        updated = await self._conversations.update(caller.project, _checked_id(conversation_id), metadata)
        return self._base.json_response(_conversation_json(updated))

    async def delete(self, request: Request, conversation_id: str) -> Response:
        """Delete a conversation; items that responses refer to are kept."""
        caller = await self._base.admit(request)
        await self._conversations.delete(caller.project, _checked_id(conversation_id))
        return self._base.json_response({"id": conversation_id, "object": "conversation.deleted", "deleted": True})

    async def list_items(self, request: Request, conversation_id: str) -> Response:
        """List the items of a conversation."""
        caller = await self._base.admit(request)
        query = self._base.read_query(request)
        page_request = PageRequest(
            after=query.after,
            limit=query.limit,
            descending=query.order == "desc",
            with_media=bool(query.include & IMAGE_INCLUDES),
        )
        page = await self._conversations.items(caller.project, _checked_id(conversation_id), page_request)
        return self._base.json_response(
            list_page(filter_items(documents_of(page.items), query.include), has_more=page.has_more)
        )

    async def create_items(self, request: Request, conversation_id: str) -> Response:
        """Append items to a conversation."""
        caller = await self._base.admit(request)
        query = self._base.read_query(request)
        with self._base.memory_hold(caller) as hold:
            body = await self._base.read_json(request, hold)
            if "items" not in body:
                raise MissingParameter.of("items")
            items = self._read_items(body["items"])
            await self._conversations.add_items(caller.project, _checked_id(conversation_id), items)
            return self._base.json_response(list_page(filter_items(documents_of(items), query.include), has_more=False))

    async def get_item(self, request: Request, conversation_id: str, item_id: str) -> Response:
        """Return one item of a conversation."""
        caller = await self._base.admit(request)
        query = self._base.read_query(request)
        large = bool(query.include & IMAGE_INCLUDES)
        item = await self._conversations.get_item(
            caller.project, _checked_id(conversation_id), checked_item_id(item_id, "item_id"), with_media=large
        )
        return self._base.json_response(filter_items(documents_of([item]), query.include)[0])

    async def delete_item(self, request: Request, conversation_id: str, item_id: str) -> Response:
        """Remove an item from a conversation."""
        caller = await self._base.admit(request)
        return self._base.json_response(
            _conversation_json(
                await self._conversations.delete_item(
                    caller.project, _checked_id(conversation_id), checked_item_id(item_id, "item_id")
                )
            )
        )

    def _read_items(self, value: Any) -> list[ConversationItem]:
        if isinstance(value, str):
            raise WrongType.of("items", "an array of items", value)
        items = input_items(value, "items")
        if any(type_of(item) == "item_reference" for item in items):
            raise InvalidParameter("`items` must contain items with their content, not references.", param="items")
        return [ConversationItem.from_document(msgspec.json.encode(stored_item(item, self._ids))) for item in items]


def _conversation_json(conversation: Conversation) -> Json:
    return {
        "id": conversation.id,
        "object": "conversation",
        "created_at": int(conversation.created_at),
        "metadata": conversation.metadata,
    }


def _checked_id(conversation_id: str) -> str:
    return checked_id(conversation_id, "conversation_id", "conv")
