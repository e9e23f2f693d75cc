"""Handlers for stored chat completions. Registered by openai/routes.py."""

import msgspec
from fastapi import Request, Response

from tidegate.conversations.documents.completion import messages_of
from tidegate.conversations.documents.records import PageRequest, StoredCompletion
from tidegate.conversations.state_params import checked_id, metadata_in
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.core.errors import CompletionNotFound, InvalidParameter, MissingParameter
from tidegate.web.openai.handler_base import HandlerBase, Json, list_page

_decode = msgspec.json.Decoder()


class CompletionHandlers:
    """The routes below `/v1/chat/completions`."""

    def __init__(self, base: HandlerBase, completions: CompletionStore) -> None:
        self._base = base
        self._completions = completions

    async def list(self, request: Request) -> Response:
        """List the completions created with `store: true`, filtered by model and metadata."""
        caller = await self._base.admit(request)
        query = self._base.read_query(request, order="asc")
        after = None if query.after is None else checked_id(query.after, "after", "chatcmpl-")
        page_request = PageRequest(after=after, limit=query.limit, descending=query.order == "desc")
        page = await self._completions.list(caller.project, page_request, model=query.model, metadata=query.metadata)
        return self._base.json_response(
            list_page([_completion_json(stored) for stored in page.items], has_more=page.has_more)
        )

    async def get(self, request: Request, completion_id: str) -> Response:
        """Return one completion."""
        caller = await self._base.admit(request)
        return self._base.json_response(
            _completion_json(await self._completions.get(caller.project, _checked_id(completion_id)))
        )

    async def update(self, request: Request, completion_id: str) -> Response:
        """Replace the metadata; nothing else changes."""
        caller = await self._base.admit(request)
        with self._base.memory_hold(caller) as hold:
            body = await self._base.read_json(request, hold)
            if "metadata" not in body:
                raise MissingParameter.of("metadata")
            metadata = metadata_in(body)
        stored = await self._completions.update_metadata(caller.project, _checked_id(completion_id), metadata)
        return self._base.json_response(_completion_json(stored))

    async def delete(self, request: Request, completion_id: str) -> Response:
        """Delete a completion."""
        caller = await self._base.admit(request)
        await self._completions.delete(caller.project, _checked_id(completion_id))
        return self._base.json_response({"object": "chat.completion.deleted", "id": completion_id, "deleted": True})

    async def messages(self, request: Request, completion_id: str) -> Response:
        """List the messages that the completion answered."""
        caller = await self._base.admit(request)
        query = self._base.read_query(request, order="asc")
        raw = await self._completions.messages(caller.project, _checked_id(completion_id))
        messages = messages_of(completion_id, [_decode.decode(message) for message in raw])
        if query.order == "desc":
            messages.reverse()
        names = [message["id"] for message in messages]
        if query.after is not None and query.after not in names:
            raise InvalidParameter("`after` names no message of this completion.", param="after")
        begin = 0 if query.after is None else names.index(query.after) + 1
        page = messages[begin : begin + query.limit]
        return self._base.json_response(list_page(page, has_more=begin + query.limit < len(messages)))


def _completion_json(stored: StoredCompletion) -> Json:
    document: Json = _decode.decode(stored.document)
    return {**document, "metadata": stored.metadata}


def _checked_id(completion_id: str) -> str:
    try:
        return checked_id(completion_id, "completion_id", "chatcmpl-")
    except InvalidParameter as error:  # an id in another format cannot exist
        printable_id = completion_id[:64].encode("ascii", "replace").decode()
        raise CompletionNotFound(f"Chat completion with id '{printable_id}' not found.") from error
