"""The inference routes, without ASGI because they are the hot path (docs/decisions/0090). Called by asgi.py."""

import asyncio
from collections.abc import Callable

import structlog

from tidegate.core import endpoints
from tidegate.core.config import ServerConfig
from tidegate.core.endpoints import Endpoint
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
from tidegate.web.exchange import ClientExchange
from tidegate.web.inference.body import BodyBounds, read_body
from tidegate.web.inference.reply import HttpResponseWriter

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

    async def answer(self, exchange: ClientExchange, endpoint: Endpoint, model: str = "") -> None:
        """Answer one request; `model` is the model that its address names, as at Azure."""
        request_id = self._ids("req_")
        reply = HttpResponseWriter(exchange, request_id=request_id, ping_seconds=self._config.ping_seconds)
        hold = MemoryHold(self._memory)
        record = None if self._reporter is None else self._reporter.begin(request_id, endpoint)
        try:
            await self._answer(exchange, endpoint, model, request_id, reply, hold, record)
        except ClientDisconnected as gone:
            self._report_failure(gone, endpoint, reply)  # no client is left to answer; the ledger has the entry
            forget_traces(gone)
        except TidegateError as error:
            self._report_failure(error, endpoint, reply)
            reply.send_error(error)
            forget_traces(error)
        except asyncio.CancelledError:
            if (shutting_down := self._lifecycle.take_cancellation()) is None:
                reply.failure = ClientDisconnected()
                raise
            self._report_failure(shutting_down, endpoint, reply)
            reply.send_error(shutting_down)
        except Exception:  # noqa: BLE001  # a defect in the gateway: answer with an envelope, log the trace, keep serving
            _log.exception("unexpected failure", request_id=request_id, path=endpoint.path)
            self._report_failure(TidegateError(), endpoint, reply)
            reply.send_error(TidegateError())
        finally:
            hold.release()
            if record is not None:
                record.end(reply.failure, status=reply.status)
            if not exchange.is_complete:
                exchange.abandon()

    def _report_failure(self, error: TidegateError, endpoint: Endpoint, reply: HttpResponseWriter) -> None:
        reply.failure = error
        self._on_failure(CallFailure(error=error.name, route=endpoint.label))

    async def _answer(  # noqa: PLR0913, PLR0917  # a parameter for each part of one request
        self,
        exchange: ClientExchange,
        endpoint: Endpoint,
        model: str,
        request_id: str,
        reply: HttpResponseWriter,
        hold: MemoryHold,
        record: CallRecord | None,
    ) -> None:
        if exchange.method != "POST":
            raise _wrong_method(exchange.method, endpoint)
        headers = exchange.read_headers()

        async def read(caller: Caller) -> bytes:
            hold.key_id = caller.key_id
            return await read_body(exchange, headers, self._bounds, hold, self._pipeline.heavy_turns)

        request = InferenceRequest(
            id=request_id,
            endpoint=endpoint,
            authorization=headers.get("authorization", ""),
            headers=headers,
            model=model,
            body=read,
            hold=hold,
            record=record,
        )
        delivery = await self._pipeline.answer(request)
        shutting_down = None
        try:
            with exchange:  # from here on the call ends when its client leaves
                await (reply.send_stream(delivery) if delivery.requested_form.stream else reply.send_whole(delivery))
        except asyncio.CancelledError:
            if (shutting_down := self._lifecycle.take_cancellation()) is None:
                raise
            raise shutting_down from None
        finally:
            await delivery.close(shutting_down)
        if reply.stream_error is not None:
            self._report_failure(reply.stream_error, endpoint, reply)
            forget_traces(reply.stream_error)


def _wrong_method(method: str, endpoint: Endpoint) -> MethodNotAllowed | UpgradeRequired:
    if method == "GET" and endpoint is endpoints.RESPONSES:
        return UpgradeRequired()
    error = MethodNotAllowed(f"Not allowed to {method} on {endpoint.path}; use POST.")
    # stored completions are listed at the path that creates one
    error.allowed = ("GET", "HEAD", "POST") if endpoint is endpoints.CHAT else ("POST",)
    return error
