"""The gateway as the server sees it: inference at once, everything else through FastAPI. Built by app.py."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI

from tidegate.core import endpoints
from tidegate.core.errors import TidegateError, UnknownRoute
from tidegate.core.ids import IdSource
from tidegate.core.process.lifecycle import Lifecycle
from tidegate.web import aliases
from tidegate.web.asgi_cycle import Receive, Scope, Send, respond_with_error
from tidegate.web.cors import CrossOrigin, is_preflight, origin_of
from tidegate.web.exchange import ClientExchange, exchange_of
from tidegate.web.inference.endpoint import InferenceEndpoint
from tidegate.web.passthrough.endpoint import PassthroughEndpoint
from tidegate.web.realtime import endpoint as realtime_endpoint
from tidegate.web.realtime.endpoint import RealtimeEndpoint
from tidegate.web.response_head import header_lines
from tidegate.web.websocket.endpoint import PATH, WebSocketEndpoint, reject_handshake


class Gateway:
    """Dispatches requests. Hot routes bypass ASGI and FastAPI, which cost more than the rest of the web layer."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        api: FastAPI,
        inference: Callable[[], InferenceEndpoint],
        websocket: Callable[[], WebSocketEndpoint],
        passthrough: Callable[[], PassthroughEndpoint],
        realtime: Callable[[], RealtimeEndpoint],
        *,
        lifecycle: Lifecycle,
        ids: IdSource,
        cross_origin: CrossOrigin | None = None,
    ) -> None:
        """Parts are called at each request: their results exist once the lifespan has started.

        The server sets `lifecycle`. `cross_origin` admits browsers; None if no page of another origin may call.
        """
        self.lifecycle = lifecycle
        self.cross_origin = cross_origin
        self._ids = ids
        self._api = api
        self._inference = inference
        self._websocket = websocket
        self._passthrough = passthrough
        self._realtime = realtime

    def answer(self, exchange: ClientExchange) -> Coroutine[Any, Any, None] | None:
        """Return what answers a request; None for one that is answered by ASGI."""
        path, model = exchange.target.path, ""
        if self.cross_origin is not None and exchange.method == "OPTIONS" and is_preflight(exchange.headers):
            return self._answer_preflight(self.cross_origin, exchange)
        if path not in endpoints.BY_PATH:
            path, model = aliases.to_openai(path)
        endpoint = endpoints.BY_PATH.get(path)
        if endpoint is None:
            return self._passthrough().offer(exchange, path)
        if exchange.method != "POST" and _lists_completions(exchange.method, path):
            return None
        return self._inference().answer(exchange, endpoint, model)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of another route, serve a WebSocket, or run the lifespan (ASGI 3)."""
        if scope["type"] == "http":
            await self._answer_by_api({**scope, "path": aliases.to_openai(scope["path"])[0]}, receive, send)
        elif scope["type"] == "websocket":
            await receive()  # the `websocket.connect` message
            await self._open({**scope, "path": aliases.to_openai(scope["path"])[0]}, receive, send)
        else:
            await self._api(scope, receive, send)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket, or reject its handshake."""
        try:
            if self.cross_origin is not None:
                self.cross_origin.check(origin_of(scope["headers"]))
            if scope["path"] not in (PATH, realtime_endpoint.PATH):
                raise UnknownRoute(f"Invalid URL (WebSocket {scope['path']})")
        except TidegateError as error:
            await reject_handshake(error, send, self._ids("req_"))
        else:
            endpoint = self._websocket() if scope["path"] == PATH else self._realtime()
            await endpoint(scope, receive, send)

    async def _answer_preflight(self, cross_origin: CrossOrigin, exchange: ClientExchange) -> None:
        """Answer the question that a browser asks before a request. It has no key."""
        try:
            headers = cross_origin.preflight(exchange.headers)
        except TidegateError as error:
            respond_with_error(exchange, error, self._request_id_line())
        else:
            exchange.common_lines = b""
            exchange.respond(204, header_lines(headers) + self._request_id_line(), b"")

    async def _answer_by_api(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request by FastAPI; HEAD as GET, whose body the server leaves out (RFC 9110, 9.3.2)."""
        try:
            await self._api({**scope, "method": "GET"} if scope["method"] == "HEAD" else scope, receive, send)
        except asyncio.CancelledError:
            if (shutting_down := self.lifecycle.take_cancellation()) is None:
                raise
            if not (exchange := exchange_of(scope)).is_started:
                respond_with_error(exchange, shutting_down, self._request_id_line())

    def _request_id_line(self) -> bytes:
        return f"x-request-id: {self._ids('req_')}\r\n".encode()


def _lists_completions(method: str, path: str) -> bool:
    """Return whether this lists stored completions, which shares its path with creating one."""
    return method in ("GET", "HEAD") and path == endpoints.CHAT.path
