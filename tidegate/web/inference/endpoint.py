"""The inference routes as plain ASGI, because they are the hot path (docs/decisions/0004). Called by asgi.py."""

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

from tidegate.core import endpoints
from tidegate.core.config import ServerConfig
from tidegate.core.errors import ClientDisconnected, MethodNotAllowed, TidegateError, UpgradeRequired
from tidegate.core.errors.traces import forget_traces
from tidegate.core.events import CallFailure
from tidegate.core.ids import IdSource
from tidegate.core.process.call_memory import CallMemory, MemoryHold
from tidegate.core.process.lifecycle import Lifecycle
from tidegate.core.values import Caller
from tidegate.pipeline.call_record import CallRecord, CallReporter
from tidegate.pipeline.context import InferenceRequest
from tidegate.pipeline.pipeline import Pipeline
from tidegate.web.aliases import MODEL
from tidegate.web.inference.body import BodyBounds, read_body
from tidegate.web.inference.disconnect import DisconnectWatcher, Receive
from tidegate.web.inference.reply import HttpResponseWriter, Send

Scope = MutableMapping[str, Any]

_log = structlog.get_logger("web")


def ignore_failure(_: CallFailure) -> None:
    """Count nothing."""


class InferenceEndpoint:
    """Answers requests on the endpoints in `core/endpoints.py`."""

    def __init__(  # noqa: PLR0913  # constructor injection: a parameter for each part
        self,
        pipeline: Pipeline,
        config: ServerConfig,
        ids: IdSource,
        *,
        memory: CallMemory,
        on_failure: Callable[[CallFailure], None] = ignore_failure,
        lifecycle: Lifecycle | None = None,
        reporter: CallReporter | None = None,
    ) -> None:
        """`on_failure` is called for each request that ends with a typed error.

        `reporter` reports each request that has ended; None where calls are not observed.
        """
        self._reporter = reporter
        self._memory = memory
        self._bounds = BodyBounds.of(config)
        self._lifecycle = lifecycle or Lifecycle()
        self._pipeline = pipeline
        self._config = config
        self._ids = ids
        self._on_failure = on_failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: C901  # the ways a request ends
        """Answer one request (ASGI 3)."""
        reply = HttpResponseWriter(
            send,
            request_id=(request_id := self._ids("req_")),
            ping_seconds=self._config.ping_seconds,
        )
        hold = MemoryHold(self._memory)
        record = None
        if self._reporter is not None:
            record = self._reporter.begin(request_id, endpoints.BY_PATH[scope["path"]])
        try:
            await self._answer(scope, receive, reply, request_id, hold, record)
        except ClientDisconnected as gone:
            self._report_failure(gone, scope, reply)  # no client is left to answer; the ledger has the entry
            forget_traces(gone)
        except TidegateError as error:
            self._report_failure(error, scope, reply)
            await reply.send_error(error)
            forget_traces(error)
        except asyncio.CancelledError:
            if (shutting_down := self._lifecycle.take_cancellation()) is None:
                reply.failure = ClientDisconnected()
                raise
            self._report_failure(shutting_down, scope, reply)
            await reply.send_error(shutting_down)
        except Exception:  # noqa: BLE001  # a defect in the gateway: answer with an envelope, log the trace, keep serving
            _log.exception("unexpected failure", request_id=request_id, path=scope["path"])
            self._report_failure(TidegateError(), scope, reply)
            await reply.send_error(TidegateError())
        else:
            if reply.stream_error is not None:
                self._report_failure(reply.stream_error, scope, reply)
                forget_traces(reply.stream_error)
        finally:
            hold.release()
            if record is not None:
                record.end(reply.failure, status=reply.status)

    def _report_failure(self, error: TidegateError, scope: Scope, reply: HttpResponseWriter) -> None:
        reply.failure = error
        self._on_failure(CallFailure(error=error.name, route=endpoints.BY_PATH[scope["path"]].label))

    async def _answer(
        self,
        scope: Scope,
        receive: Receive,
        reply: HttpResponseWriter,
        request_id: str,
        hold: MemoryHold,
        record: CallRecord | None,
    ) -> None:
        if scope["method"] != "POST":
            raise _wrong_method(scope)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        config, bounds = self._config, self._bounds

        async def read(caller: Caller) -> bytes:
            hold.key_id = caller.key_id
            return await read_body(receive, headers, bounds, hold, self._pipeline.heavy_turns)

        request = InferenceRequest(
            id=request_id,
            endpoint=endpoints.BY_PATH[scope["path"]],
            authorization=headers.get("authorization", ""),
            headers=headers,
            model=scope.get(MODEL, ""),
            body=read,
            hold=hold,
            record=record,
        )
        delivery = await self._pipeline.answer(request)
        shutting_down = None
        try:
            async with DisconnectWatcher(receive, reply, stuck_seconds=config.send_seconds):
                await (reply.send_stream(delivery) if delivery.requested_form.stream else reply.send_whole(delivery))
        except asyncio.CancelledError:
            if (shutting_down := self._lifecycle.take_cancellation()) is None:
                raise
            raise shutting_down from None
        finally:
            await delivery.close(shutting_down)


def _wrong_method(scope: Scope) -> MethodNotAllowed | UpgradeRequired:
    if scope["method"] == "GET" and scope["path"] == endpoints.RESPONSES.path:
        return UpgradeRequired()
    error = MethodNotAllowed(f"Not allowed to {scope['method']} on {scope['path']}; use POST.")
    is_listed = scope["path"] == endpoints.CHAT.path  # stored completions are listed at the same path
    error.allowed = ("GET", "HEAD", "POST") if is_listed else ("POST",)
    return error
