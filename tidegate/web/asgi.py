"""The ASGI application: inference and WebSocket routes directly, everything else through FastAPI. Built by app.py."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI

from tidegate.core import endpoints
from tidegate.web.inference.disconnect import Receive
from tidegate.web.inference.endpoint import InferenceEndpoint, Scope
from tidegate.web.inference.reply import Send
from tidegate.web.websocket.endpoint import PATH, WebSocketEndpoint

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Gateway:
    """Dispatches requests. Hot routes bypass FastAPI, whose routing costs more than the rest of the web layer."""

    def __init__(
        self, api: FastAPI, inference: Callable[[], InferenceEndpoint], websocket: Callable[[], WebSocketEndpoint]
    ) -> None:
        """`inference` and `sockets` are called at each request: their results exist once the lifespan has started."""
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
    """Return whether this lists stored completions, which shares its path with creating one."""
    return bool(scope["method"] == "GET" and scope["path"] == endpoints.CHAT.path)
