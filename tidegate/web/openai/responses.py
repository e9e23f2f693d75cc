"""Stored Responses: get, delete, cancel, and what they were made from."""

import msgspec
from fastapi import Request, Response

from tidegate.conversations.documents.include import all_shown
from tidegate.conversations.documents.records import PageAsk, StoredResponse
from tidegate.conversations.documents.response import seen
from tidegate.conversations.recall import items_in
from tidegate.conversations.state_params import known_id
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.core.errors import NotCancellable, NotStreamable
from tidegate.pipeline.background import Deferral
from tidegate.web.openai.handler_base import Front, Json, listed

LARGE = frozenset({"message.input_image.image_url", "computer_call_output.output.image_url"})
"""Parts for which the data of images is read at all."""

_decode = msgspec.json.Decoder()


class ResponseDesk:
    """The routes below `/v1/responses`."""

    def __init__(self, front: Front, responses: ResponseStore, deferral: Deferral) -> None:
        self._front = front
        self._responses = responses
        self._deferral = deferral

    async def get(self, request: Request, response_id: str) -> Response:
        """One response, or the stream of one that is made in the background."""
        caller = await self._front.caller(request)
        asked = self._front.query(request)
        stored = await self._responses.get(caller.project, _known(response_id))
        if asked.stream and not stored.background:
            raise NotStreamable(param="stream")
        if asked.stream:
            after = -1 if asked.starting_after is None else asked.starting_after
            return self._front.stream(self._deferral.stream(caller.project, response_id, after=after))
        return self._front.json(seen(document_of(stored), asked.include))

    async def delete(self, request: Request, response_id: str) -> Response:
        """Delete it; what was said in it stays for the responses that go on from it."""
        caller = await self._front.caller(request)
        await self._deferral.cancel(caller.project, _known(response_id))  # nobody finishes it while it is deleted
        await self._responses.delete(caller.project, response_id)
        return self._front.json({"id": response_id, "object": "response", "deleted": True})

    async def cancel(self, request: Request, response_id: str) -> Response:
        """Stop a background response; one that is over stays as it is."""
        caller = await self._front.caller(request)
        stored = await self._responses.get(caller.project, _known(response_id))
        if not stored.background:
            raise NotCancellable
        if stored.running:
            await self._deferral.cancel(caller.project, response_id)
            stored = await self._responses.get(caller.project, response_id)
        return self._front.json(seen(document_of(stored), ()))

    async def input_items(self, request: Request, response_id: str) -> Response:
        """What it was made from: what was said before, and its own input."""
        caller = await self._front.caller(request)
        asked = self._front.query(request)
        ask = PageAsk(
            after=asked.after,
            limit=asked.limit,
            descending=asked.order == "desc",
            large=bool(asked.include & LARGE),
        )
        page = await self._responses.input_items(caller.project, _known(response_id), ask)
        return self._front.json(listed(all_shown(items_in(page.items), asked.include), has_more=page.has_more))


def document_of(stored: StoredResponse) -> Json:
    """The whole Response."""
    document: Json = _decode.decode(stored.document)
    return {**document, "output": items_in(stored.output)}


def _known(response_id: str) -> str:
    return known_id(response_id, "response_id", "resp")
