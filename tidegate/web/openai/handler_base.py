"""Shared steps of the handlers in web/openai: identify and count the caller, read the request, write JSON."""

from typing import Any

import msgspec
from fastapi import Request, Response

from tidegate.auth.key_cache import ApiKeyCache
from tidegate.conversations.storage import query
from tidegate.conversations.storage.query import Order, StoredListQuery
from tidegate.core.config import ServerConfig
from tidegate.core.ids import IdSource
from tidegate.core.process.call_memory import CallMemory, MemoryHold
from tidegate.core.process.lifecycle import Lifecycle
from tidegate.core.values import Caller
from tidegate.limits.request_count import RequestCount
from tidegate.pipeline.delivery import ResponseStream
from tidegate.web.inference.body import AsgiBody, BodyBounds, read_body
from tidegate.web.inference.streamed import EventStreamResponse
from tidegate.wire.call import read_object

Json = dict[str, Any]


class HandlerBase:
    """Identifies callers, reads requests and writes responses for the stateful routes."""

    def __init__(
        self,
        keys: ApiKeyCache,
        request_count: RequestCount,
        config: ServerConfig,
        ids: IdSource,
        lifecycle: Lifecycle,
        memory: CallMemory,
    ) -> None:
        self._memory = memory
        self._keys = keys
        self._request_count = request_count
        self._config = config
        self._ids = ids
        self._lifecycle = lifecycle

    async def identify(self, request: Request) -> Caller:
        """Return the caller without counting the request: the pipeline will. Raises CallerError."""
        return await self._keys.caller(request.headers.get("authorization", ""))

    async def admit(self, request: Request) -> Caller:
        """Return the caller and count the request against their limits. Raises CallerError and CallerLimited."""
        caller = await self.identify(request)
        await self._request_count.count(caller, self._ids("req_"))
        return caller

    def memory_hold(self, caller: Caller) -> MemoryHold:
        """Return what holds the memory of a body, as a context that lasts as long as the body is used."""
        return self._memory.hold(caller.key_id)

    async def read_json(self, request: Request, hold: MemoryHold) -> Json:
        """Return the body as a JSON object, {} if it is empty. Raises BodyNotJson and BodyNotAnObject."""
        data = await read_body(AsgiBody(request.receive), request.headers, BodyBounds.of(self._config), hold)
        return read_object(data) if data.strip() else {}

    def read_query(self, request: Request, *, order: Order = "desc") -> StoredListQuery:
        """Return the parsed query. Raises InvalidParameter."""
        return query.read_query(request.query_params.multi_items(), order=order)

    def stream_response(self, stream: ResponseStream) -> Response:
        """Return a streaming response."""
        return EventStreamResponse(stream, self._config, self._ids("req_"), self._lifecycle)

    def json_response(self, document: Json) -> Response:
        """Return a JSON response."""
        headers = {"x-request-id": self._ids("req_")}
        return Response(msgspec.json.encode(document), headers=headers, media_type="application/json")


def list_page(data: list[Json], *, has_more: bool) -> Json:
    """Return one page of a list in OpenAI's format."""
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": has_more}
