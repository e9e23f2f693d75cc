"""The handshake of a Realtime session: its key, its model, and how many sessions there are. Called by asgi.py.

The session is opened at the upstream first. So a client whose session the upstream refuses reads that as an HTTP error.
"""

from collections import Counter
from collections.abc import Mapping
from urllib.parse import parse_qsl

from tidegate.auth.key_cache import ApiKeyCache
from tidegate.core.config import RealtimeConfig
from tidegate.core.errors import ClientDisconnected, MissingParameter, TidegateError, TooManySessions
from tidegate.core.events import CallFailure
from tidegate.core.ids import IdSource
from tidegate.core.process.call_memory import CallMemory
from tidegate.pipeline.realtime.opening import OpenSession, RealtimeSessions
from tidegate.pipeline.realtime.session import ROUTE, SessionRequest
from tidegate.web.asgi_cycle import Receive, Scope, Send
from tidegate.web.realtime.client_socket import ClientSocket
from tidegate.web.websocket.endpoint import reject_handshake
from tidegate.web.websocket.inbound import EXTENSION, InboundMessages
from tidegate.web.websocket.request_handler import FailureSink

PATH = "/v1/realtime"
_SUBPROTOCOL = "realtime"
_KEY_SUBPROTOCOL = "openai-insecure-api-key."
"""With which the subprotocol begins that has the key: a browser's WebSocket can set no header."""
_BETA_SUBPROTOCOL = "openai-beta."
_PARAMETERS = ("intent", "call_id")
"""Those of the address that are forwarded."""


class RealtimeEndpoint:
    """Accepts and serves this process's sessions."""

    def __init__(  # noqa: PLR0913  # constructor injection: one parameter for each collaborator
        self,
        sessions: RealtimeSessions,
        keys: ApiKeyCache,
        *,
        config: RealtimeConfig,
        send_seconds: float,
        memory: CallMemory,
        ids: IdSource,
        on_failure: FailureSink,
    ) -> None:
        """`on_failure` is called for each session that ends with a typed error."""
        self._sessions = sessions
        self._keys = keys
        self._config = config
        self._send_seconds = send_seconds
        self._memory = memory
        self._ids = ids
        self._on_failure = on_failure
        self._by_key: Counter[str] = Counter()
        """Open sessions by key."""

    @property
    def open_sessions(self) -> int:
        """The number of open sessions."""
        return self._by_key.total()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one session (ASGI 3), after its `websocket.connect` message."""
        request = session_request(scope, self._ids("req_"))
        try:
            caller = await self._keys.caller(request.authorization)
            self._check(request, caller.key_id)
        except TidegateError as error:
            await self._reject(error, request, send)
            return
        self._by_key[caller.key_id] += 1
        inbound: InboundMessages = scope["extensions"][EXTENSION]
        inbound.attach(self._memory.hold(caller.key_id))
        try:
            await self._serve(request, scope, receive, send)
        finally:
            inbound.close()
            self._by_key -= Counter([caller.key_id])

    async def _serve(self, request: SessionRequest, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            session = await self._sessions.open(request)
        except TidegateError as error:
            await self._reject(error, request, send)
            return
        await self._run(session, scope, receive, send)

    async def _run(self, session: OpenSession, scope: Scope, receive: Receive, send: Send) -> None:
        subprotocol = _SUBPROTOCOL if _SUBPROTOCOL in scope.get("subprotocols", ()) else None
        client = ClientSocket(
            receive,
            send,
            scope["extensions"][EXTENSION],
            max_event_bytes=self._config.max_event_bytes,
            send_seconds=self._send_seconds,
        )
        await send({"type": "websocket.accept", "subprotocol": subprotocol})
        end = await session.run(client)
        if end.error is not None:
            self._on_failure(CallFailure(error=end.error.name, route=ROUTE))
        if not isinstance(end.error, ClientDisconnected):
            await client.close(end.code)

    def _check(self, request: SessionRequest, key_id: str) -> None:
        """Raise TidegateError for a session that is not opened."""
        if not request.model and request.parameters.get("intent") != "transcription":
            raise MissingParameter(
                "The session was not opened: name its model in the address, `?model=…`.", param="model"
            )
        if self._by_key[key_id] >= self._config.max_sessions_per_key:
            raise TooManySessions(
                "The session was not opened: this key has the maximum number of sessions "
                "(`realtime.max_sessions_per_key`). Close one."
            )
        if self.open_sessions >= self._config.max_sessions:
            raise TooManySessions

    async def _reject(self, error: TidegateError, request: SessionRequest, send: Send) -> None:
        self._on_failure(CallFailure(error=error.name, route=ROUTE))
        await reject_handshake(error, send, request.id)


def session_request(scope: Scope, request_id: str) -> SessionRequest:
    """Return the request of a handshake (ASGI 3)."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    subprotocols = [name for name in scope.get("subprotocols", ()) if isinstance(name, str)]
    query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
    beta = next((name for name in subprotocols if name.startswith(_BETA_SUBPROTOCOL)), "")
    if beta and "openai-beta" not in headers:
        headers["openai-beta"] = beta.removeprefix(_BETA_SUBPROTOCOL).replace("-v", "=v")
    return SessionRequest(
        id=request_id,
        authorization=_authorization(headers, subprotocols),
        headers=headers,
        model=query.get("model", ""),
        parameters={name: query[name] for name in _PARAMETERS if name in query},
    )


def _authorization(headers: Mapping[str, str], subprotocols: list[str]) -> str:
    if "authorization" in headers:
        return headers["authorization"]
    key = next((name for name in subprotocols if name.startswith(_KEY_SUBPROTOCOL)), "")
    return f"Bearer {key.removeprefix(_KEY_SUBPROTOCOL)}" if key else ""
