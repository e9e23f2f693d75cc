"""Answers requests to operations that pass through, without ASGI: bodies stream in both ways. Called by asgi.py."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from tidegate.core.config import ServerConfig
from tidegate.core.errors import (
    ClientDisconnected,
    MethodNotAllowed,
    OperationNotCarried,
    TidegateError,
)
from tidegate.core.errors.traces import forget_traces
from tidegate.core.events import CallFailure
from tidegate.core.ids import IdSource
from tidegate.core.process.call_memory import CallMemory, MemoryHold
from tidegate.core.process.lifecycle import Lifecycle
from tidegate.core.values import Caller
from tidegate.pipeline.call_record import CallRecord, CallReporter
from tidegate.pipeline.passthrough.request import PassthroughRequest
from tidegate.pipeline.passthrough.story import Passthrough, upstream_path
from tidegate.web.exchange import ClientExchange
from tidegate.web.inference.body import BodyBounds, read_body
from tidegate.web.passthrough.reply import OperationReply
from tidegate.wire.operations import table
from tidegate.wire.operations.operation import MatchedOperation
from tidegate.wire.operations.refused import refusal_of

_log = structlog.get_logger("web")


class PassthroughEndpoint:
    """Answers requests to the operations of `wire/operations`."""

    def __init__(  # noqa: PLR0913  # constructor injection: a parameter for each part
        self,
        passthrough: Passthrough,
        config: ServerConfig,
        ids: IdSource,
        *,
        memory: CallMemory,
        on_failure: Callable[[CallFailure], None],
        lifecycle: Lifecycle,
        carries_unknown: bool,
        reporter: CallReporter | None,
    ) -> None:
        """`carries_unknown`: also paths that are in no table pass through."""
        self._passthrough = passthrough
        self._bounds = BodyBounds.of(config)
        self._ids = ids
        self._memory = memory
        self._on_failure = on_failure
        self._lifecycle = lifecycle
        self._carries_unknown = carries_unknown
        self._reporter = reporter

    def offer(self, exchange: ClientExchange, path: str) -> Coroutine[Any, Any, None] | None:
        """Return what answers a request; None for a path that is no operation, which another route may have."""
        method = "GET" if exchange.method == "HEAD" else exchange.method
        match = table.find(method, path)
        if match is None and self._carries_unknown:
            match = table.unknown(method, path, exchange.target.raw_path)
        if match is not None:
            return self.answer(exchange, match)
        if (reason := refusal_of(path)) is not None:
            error: TidegateError = OperationNotCarried(
                f"Nothing was sent: this gateway does not carry {exchange.method} {path[:200]}, because {reason}."
            )
        elif methods := table.methods_of(path):
            error = MethodNotAllowed(f"Not allowed to {exchange.method} on {path[:200]}; use {' or '.join(methods)}.")
            error.allowed = tuple(sorted({*methods, "HEAD"} if "GET" in methods else methods))
        else:
            return None
        return self._refuse(exchange, error)

    async def _refuse(self, exchange: ClientExchange, error: TidegateError) -> None:
        OperationReply(exchange, request_id=self._ids("req_")).send_error(error)

    async def answer(  # noqa: C901  # a branch for each way in which a call ends
        self, exchange: ClientExchange, match: MatchedOperation
    ) -> None:
        """Answer one request."""
        request_id = self._ids("req_")
        reply = OperationReply(exchange, request_id=request_id)
        hold = MemoryHold(self._memory)
        record = None if self._reporter is None else self._reporter.begin(request_id, match.operation)
        failure: TidegateError | None = None
        try:
            with exchange:  # from here on the call ends when its client leaves
                await self._answer(exchange, self._request(exchange, match, request_id, hold, record), reply)
        except ClientDisconnected as gone:
            failure = gone
        except TidegateError as error:
            failure = error
        except asyncio.CancelledError:
            if (failure := self._lifecycle.take_cancellation()) is None:
                failure = ClientDisconnected()
                raise
        except Exception:  # noqa: BLE001  # a defect in the gateway: answer with an envelope, log the trace, keep serving
            _log.exception("unexpected failure", request_id=request_id, path=match.operation.path)
            failure = TidegateError()
        finally:
            hold.release()
            if failure is not None:
                self._on_failure(CallFailure(error=failure.name, route=match.operation.label))
                reply.send_error(failure)
                forget_traces(failure)
            if record is not None:
                record.end(failure, status=reply.status)
            if not exchange.is_complete:
                exchange.abandon()

    def _request(  # what one request consists of
        self,
        exchange: ClientExchange,
        match: MatchedOperation,
        request_id: str,
        hold: MemoryHold,
        record: CallRecord | None,
    ) -> PassthroughRequest:
        headers = exchange.read_headers()

        async def read_whole(caller: Caller) -> bytes:
            hold.key_id = caller.key_id
            return await read_body(exchange, headers, self._bounds, hold)

        return PassthroughRequest(
            id=request_id,
            match=match,
            method=exchange.method,
            path=upstream_path(match, exchange.target.query),
            headers=headers,
            source=exchange,
            read_whole=read_whole,
            hold=hold,
            record=record,
        )

    async def _answer(self, exchange: ClientExchange, request: PassthroughRequest, reply: OperationReply) -> None:
        response = await self._passthrough.answer(request)
        error: TidegateError | None = None
        try:
            if exchange.method == "HEAD":
                await response.end_early()
                reply.send_head(response)
            else:
                await reply.send(response)
        except TidegateError as failed:
            error = failed
            raise
        except asyncio.CancelledError:
            error = self._lifecycle.take_cancellation()
            if error is None:
                raise
            raise error from None
        finally:
            await response.close(error)
