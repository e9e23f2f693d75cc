"""What all stateful routes do first and last: who calls, is counted, says what, and is answered in JSON."""

from typing import Any

import msgspec
from fastapi import Request, Response

from tidegate.auth.key_cache import KeyRing
from tidegate.conversations.storage import query
from tidegate.conversations.storage.query import Order, Query
from tidegate.core.config import ServerConfig
from tidegate.core.ids import IdSource
from tidegate.core.values import Caller
from tidegate.limits.request_count import Visits
from tidegate.pipeline.delivery import Passage
from tidegate.web.inference.body import read_body
from tidegate.web.inference.streamed import Streamed
from tidegate.wire.call import read_object

Json = dict[str, Any]


class Front:
    """The desk at which everybody stops."""

    def __init__(self, keys: KeyRing, visits: Visits, config: ServerConfig, ids: IdSource) -> None:
        self._keys = keys
        self._visits = visits
        self._config = config
        self._ids = ids

    async def known(self, request: Request) -> Caller:
        """Who calls, where the pipeline will count the request. Raises InvalidApiKey and its kind."""
        return await self._keys.caller(request.headers.get("authorization", ""))

    async def caller(self, request: Request) -> Caller:
        """Who calls, counted as a request. Raises InvalidApiKey and its kind, and CallerLimited."""
        caller = await self.known(request)
        await self._visits.count(caller, self._ids("req_"))
        return caller

    async def body(self, request: Request) -> bytes:
        """The body's bytes, within their limits."""
        config = self._config
        headers = dict(request.headers)
        return await read_body(request.receive, headers, most=config.max_body_bytes, seconds=config.body_seconds)

    async def document(self, request: Request) -> Json:
        """The body as an object; none is an empty one. Raises BodyNotJson and BodyNotAnObject."""
        data = await self.body(request)
        return read_object(data) if data.strip() else {}

    def query(self, request: Request, *, order: Order = "desc") -> Query:
        """What the query asks. Raises InvalidParameter."""
        return query.read(request.query_params.multi_items(), order=order)

    def stream(self, passage: Passage) -> Response:
        """An answer that comes as a stream."""
        return Streamed(passage, self._config, self._ids("req_"))

    def json(self, document: Json) -> Response:
        """An answer."""
        headers = {"x-request-id": self._ids("req_")}
        return Response(msgspec.json.encode(document), headers=headers, media_type="application/json")


def listed(data: list[Json], *, has_more: bool) -> Json:
    """A part of a list, as OpenAI gives it."""
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": has_more}
