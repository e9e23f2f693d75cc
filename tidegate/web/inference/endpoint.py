"""The inference routes as plain ASGI, because they are the hot path (docs/decisions/0004). Called by asgi.py."""

from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any

import structlog

from tidegate.core import endpoints
from tidegate.core.config import ServerConfig
from tidegate.core.errors import ClientDisconnected, MethodNotAllowed, TidegateError
from tidegate.core.events import CallFailure
from tidegate.core.ids import IdSource
from tidegate.pipeline.context import InferenceRequest
from tidegate.pipeline.pipeline import Pipeline
from tidegate.web.inference.body import read_body
from tidegate.web.inference.disconnect import DisconnectWatcher, Receive
from tidegate.web.inference.reply import HttpResponseWriter, Send

Scope = MutableMapping[str, Any]

_log = structlog.get_logger("web")


def ignore_failure(_: CallFailure) -> None:
    """Count nothing."""


class InferenceEndpoint:
    """Answers requests on the endpoints in `core/endpoints.py`."""

    def __init__(
        self,
        pipeline: Pipeline,
        config: ServerConfig,
        ids: IdSource,
        on_failure: Callable[[CallFailure], None] = ignore_failure,
    ) -> None:
        """`on_failure` is called for each request that ends with a typed error."""
        self._pipeline = pipeline
        self._config = config
        self._ids = ids
        self._on_failure = on_failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        reply = HttpResponseWriter(
            send,
            request_id=(request_id := self._ids("req_")),
            ping_seconds=self._config.ping_seconds,
        )
        try:
            await self._answer(scope, receive, reply, request_id)
        except ClientDisconnected as gone:
            self._report_failure(gone, scope)  # no client is left to answer; the ledger has the entry
        except TidegateError as error:
            self._report_failure(error, scope)
            await reply.send_error(error)
        except Exception:  # noqa: BLE001  # a defect in the gateway: answer with an envelope, log the trace, keep serving
            _log.exception("unexpected failure", request_id=request_id, path=scope["path"])
            self._report_failure(TidegateError(), scope)
            await reply.send_error(TidegateError())
        else:
            if reply.stream_error is not None:
                self._report_failure(reply.stream_error, scope)

    def _report_failure(self, error: TidegateError, scope: Scope) -> None:
        self._on_failure(CallFailure(error=error.name, route=endpoints.BY_PATH[scope["path"]].label))

    async def _answer(self, scope: Scope, receive: Receive, reply: HttpResponseWriter, request_id: str) -> None:
        if scope["method"] != "POST":
            raise MethodNotAllowed(f"Not allowed to {scope['method']} on {scope['path']}; use POST.")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        config = self._config
        request = InferenceRequest(
            id=request_id,
            endpoint=endpoints.BY_PATH[scope["path"]],
            authorization=headers.get("authorization", ""),
            headers=headers,
            body=partial(read_body, receive, headers, max_bytes=config.max_body_bytes, seconds=config.body_seconds),
        )
        delivery = await self._pipeline.answer(request)
        try:
            async with DisconnectWatcher(receive, reply, stuck_seconds=config.send_seconds):
                await (reply.send_stream(delivery) if delivery.requested_form.stream else reply.send_whole(delivery))
        finally:
            await delivery.close()
