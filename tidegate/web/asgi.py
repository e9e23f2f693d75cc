"""The ASGI application: inference and WebSocket routes directly, everything else through FastAPI. Built by app.py."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import FastAPI

from tidegate.core import endpoints
from tidegate.core.errors import TidegateError, UnknownRoute
from tidegate.core.ids import IdSource
from tidegate.core.process.lifecycle import Lifecycle
from tidegate.web import aliases
from tidegate.web.cors import CrossOrigin, origin_of
from tidegate.web.inference.disconnect import Receive
from tidegate.web.inference.endpoint import InferenceEndpoint, Scope
from tidegate.web.inference.reply import HttpResponseWriter, Send
from tidegate.web.websocket.endpoint import PATH, WebSocketEndpoint, reject_handshake

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Gateway:
    """Dispatches requests. Hot routes bypass FastAPI, whose routing costs more than the rest of the web layer."""

    def __init__(
        self,
        api: FastAPI,
        inference: Callable[[], InferenceEndpoint],
        websocket: Callable[[], WebSocketEndpoint],
        *,
        lifecycle: Lifecycle,
        ids: IdSource,
        cross_origin: CrossOrigin | None = None,
    ) -> None:
        """`inference` and `websocket` are called at each request: their results exist once the lifespan has started.

        The server sets `lifecycle`. `cross_origin` admits browsers; None if no page of another origin may call.
        """
        self.lifecycle = lifecycle
        self._ids = ids
        self._api = api
        self._inference = inference
        self._websocket = websocket
        self._cross_origin = cross_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan (ASGI 3)."""
        if scope["type"] == "http":
            if self._cross_origin is not None:
                if scope["method"] == "OPTIONS" and await self._answer_preflight(self._cross_origin, scope, send):
                    return
                send = self._cross_origin.wrap(send, origin_of(scope["headers"]))
            scope = aliases.to_openai(scope)
            if scope["path"] in endpoints.BY_PATH and not _lists_completions(scope):
                await self._inference()(scope, receive, send)
            else:
                await self._answer(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()  # the `websocket.connect` message
            await self._open(aliases.to_openai(scope), receive, send)
        else:
            await self._api(scope, receive, send)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket, or reject its handshake."""
        try:
            if self._cross_origin is not None:
                self._cross_origin.check(origin_of(scope["headers"]))
            if scope["path"] != PATH:
                raise UnknownRoute(f"Invalid URL (WebSocket {scope['path']})")
        except TidegateError as error:
            await reject_handshake(error, send, self._ids("req_"))
        else:
            await self._websocket()(scope, receive, send)

    async def _answer_preflight(self, cross_origin: CrossOrigin, scope: Scope, send: Send) -> bool:
        """Answer the question that a browser asks before a request; return whether it was one. It has no key."""
        try:
            headers = cross_origin.preflight(scope["headers"])
        except TidegateError as error:
            await self._send_error(error, cross_origin.wrap(send, None))
            return True
        if headers is None:
            return False
        request_id = (b"x-request-id", self._ids("req_").encode())
        await send({"type": "http.response.start", "status": 204, "headers": [*headers, request_id]})
        await send({"type": "http.response.body", "body": b""})
        return True

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request by FastAPI; HEAD as GET, whose body the server leaves out (RFC 9110, 9.3.2)."""
        started = False

        async def note_start(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._api({**scope, "method": "GET"} if scope["method"] == "HEAD" else scope, receive, note_start)
        except asyncio.CancelledError:
            if (shutting_down := self.lifecycle.take_cancellation()) is None:
                raise
            if not started:
                await self._send_error(shutting_down, send)

    async def _send_error(self, error: TidegateError, send: Send) -> None:
        await HttpResponseWriter(send, request_id=self._ids("req_"), ping_seconds=1.0).send_error(error)


def _lists_completions(scope: Scope) -> bool:
    """Return whether this lists stored completions, which shares its path with creating one."""
    return bool(scope["method"] in ("GET", "HEAD") and scope["path"] == endpoints.CHAT.path)
