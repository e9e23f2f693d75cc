"""Handlers for stored responses. Registered by openai/routes.py."""

import msgspec
from fastapi import Request, Response

from tidegate.conversations.documents.include import filter_items
from tidegate.conversations.documents.records import PageRequest, StoredResponse
from tidegate.conversations.documents.response import visible_response
from tidegate.conversations.recall import documents_of
from tidegate.conversations.state_params import checked_id
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.core.errors import NotCancellable, NotStreamable
from tidegate.pipeline.background import BackgroundSubmitter
from tidegate.web.openai.handler_base import HandlerBase, Json, list_page

IMAGE_INCLUDES = frozenset({"message.input_image.image_url", "computer_call_output.output.image_url"})
"""`include` values that need the images' data."""

_decode = msgspec.json.Decoder()


class ResponseHandlers:
    """The routes below `/v1/responses`."""

    def __init__(self, base: HandlerBase, responses: ResponseStore, background: BackgroundSubmitter) -> None:
        self._base = base
        self._responses = responses
        self._background = background

    async def get(self, request: Request, response_id: str) -> Response:
        """Return a response, or with `stream=true` the event stream of a background response."""
        caller = await self._base.admit(request)
        query = self._base.read_query(request)
        stored = await self._responses.get(caller.project, _checked_id(response_id))
        if query.stream and not stored.background:
            raise NotStreamable(param="stream")
        if query.stream:
            after = -1 if query.starting_after is None else query.starting_after
            return self._base.stream_response(self._background.stream(caller.project, response_id, after=after))
        return self._base.json_response(visible_response(response_json(stored), query.include))

    async def delete(self, request: Request, response_id: str) -> Response:
        """Delete a response; its items stay available to the responses that continue it."""
        caller = await self._base.admit(request)
        await self._background.cancel(
            caller.project, _checked_id(response_id)
        )  # first, so that no worker finishes it during the deletion
        await self._responses.delete(caller.project, response_id)
        return self._base.json_response({"id": response_id, "object": "response", "deleted": True})

    async def cancel(self, request: Request, response_id: str) -> Response:
        """Cancel a background response; a finished one does not change."""
        caller = await self._base.admit(request)
        stored = await self._responses.get(caller.project, _checked_id(response_id))
        if not stored.background:
            raise NotCancellable
        if stored.running:
            await self._background.cancel(caller.project, response_id)
            stored = await self._responses.get(caller.project, response_id)
        return self._base.json_response(visible_response(response_json(stored), ()))

    async def input_items(self, request: Request, response_id: str) -> Response:
        """List the input items of a response, including its history."""
        caller = await self._base.admit(request)
        query = self._base.read_query(request)
        page_request = PageRequest(
            after=query.after,
            limit=query.limit,
            descending=query.order == "desc",
            with_media=bool(query.include & IMAGE_INCLUDES),
        )
        page = await self._responses.input_items(caller.project, _checked_id(response_id), page_request)
        return self._base.json_response(
            list_page(filter_items(documents_of(page.items), query.include), has_more=page.has_more)
        )


def response_json(stored: StoredResponse) -> Json:
    """Return a stored response as OpenAI's Response object."""
    document: Json = _decode.decode(stored.document)
    return {**document, "output": documents_of(stored.output)}


def _checked_id(response_id: str) -> str:
    return checked_id(response_id, "response_id", "resp")
