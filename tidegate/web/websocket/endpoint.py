"""The WebSocket's handshake: who is let in, and how many."""

from collections import Counter

import structlog

from tidegate.auth.key_cache import KeyRing
from tidegate.core import endpoints
from tidegate.core.clock import Clock
from tidegate.core.config import ServerConfig, WebsocketConfig
from tidegate.core.errors import TidegateError, TooManySockets
from tidegate.core.events import Failure
from tidegate.core.ids import IdSource
from tidegate.pipeline.pipeline import Pipeline
from tidegate.web import envelope
from tidegate.web.inference.disconnect import Receive
from tidegate.web.inference.endpoint import Scope
from tidegate.web.inference.reply import Send
from tidegate.web.websocket.connection import Connection
from tidegate.web.websocket.request_handler import Failed
from tidegate.web.websocket.response_cache import Shelf

PATH = endpoints.RESPONSES.path

_log = structlog.get_logger("web")


class Sockets:
    """All WebSocket connections of this process."""

    def __init__(  # noqa: PLR0913  # constructor injection: a parameter for each part
        self,
        pipeline: Pipeline,
        keys: KeyRing,
        *,
        config: WebsocketConfig,
        server: ServerConfig,
        clock: Clock,
        ids: IdSource,
        failed: Failed,
    ) -> None:
        """`failed` is told of each request that ends with a typed error."""
        self._pipeline = pipeline
        self._keys = keys
        self._config = config
        self._server = server
        self._clock = clock
        self._ids = ids
        self._failed = failed
        self._shelf = Shelf(config.remembered_bytes)
        self._open: Counter[str] = Counter()
        """Connections, by key."""

    @property
    def open(self) -> int:
        """Connections now."""
        return self._open.total()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI 3)."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        await receive()  # the server's word that there is a client
        try:
            caller = await self._keys.caller(headers.get("authorization", ""))
            self._check_room(caller.key_id)
        except TidegateError as error:
            await self._refuse(error, send)
            return
        self._open[caller.key_id] += 1
        recent = self._shelf.compartment()
        try:
            await send({"type": "websocket.accept"})
            connection = Connection(
                receive,
                send,
                pipeline=self._pipeline,
                headers=headers,
                config=self._config,
                server=self._server,
                recent=recent,
                clock=self._clock,
                ids=self._ids,
                failed=self._failed,
            )
            await connection.serve()
        finally:
            recent.close()
            self._open -= Counter([caller.key_id])

    def _check_room(self, key_id: str) -> None:
        if self._open[key_id] >= self._config.max_connections_of_key:
            raise TooManySockets(
                "This key has as many WebSocket connections as one may have (`websocket.max_connections_of_key`). "
                "Close one, or send several requests on one, each with a `stream_id` of its own."
            )
        if self.open >= self._config.max_connections:
            raise TooManySockets

    async def _refuse(self, error: TidegateError, send: Send) -> None:
        """Answer the handshake as any other request is refused."""
        self._failed(Failure(error=error.name, route=endpoints.RESPONSES.label))
        told = [(b"content-type", b"application/json"), (b"x-request-id", self._ids("req_").encode())]
        start = {"status": envelope.status_of(error), "headers": [*told, *envelope.headers_of(error)]}
        await send({"type": "websocket.http.response.start", **start})
        await send({"type": "websocket.http.response.body", "body": envelope.body_of(error)})
