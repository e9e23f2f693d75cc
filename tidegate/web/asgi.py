"""The ASGI application: the hot routes straight on, everything else through FastAPI."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI

from tidegate.core import endpoints
from tidegate.web.inference.disconnect import Receive
from tidegate.web.inference.endpoint import InferenceEndpoint, Scope
from tidegate.web.inference.reply import Send
from tidegate.web.websocket.endpoint import PATH, WebSocketEndpoint

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Gateway:
    """FastAPI's routing and middleware cost more than the rest of the web layer, so the hot routes do without."""

    def __init__(
        self, api: FastAPI, inference: Callable[[], InferenceEndpoint], websocket: Callable[[], WebSocketEndpoint]
    ) -> None:
        """`inference` and `sockets` are asked for at each request: they exist once the lifespan has begun."""
        self._api = api
        self._inference = inference
        self._websocket = websocket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan (ASGI 3)."""
        if scope["type"] == "http" and scope["path"] in endpoints.BY_PATH and not _lists_completions(scope):
            await self._inference()(scope, receive, send)
        elif scope["type"] == "websocket" and scope["path"] == PATH:
            await self._websocket()(scope, receive, send)
        else:
            await self._api(scope, receive, send)


def _lists_completions(scope: Scope) -> bool:
    """Stored completions are listed on the path where new ones are made."""
    return bool(scope["method"] == "GET" and scope["path"] == endpoints.CHAT.path)
