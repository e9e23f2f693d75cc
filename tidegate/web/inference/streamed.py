"""A FastAPI response that streams events as the inference routes do. Used by openai/handler_base.py."""

import asyncio

from fastapi import Response

from tidegate.core.config import ServerConfig
from tidegate.core.errors import ClientDisconnected, TidegateError
from tidegate.core.errors.traces import forget_traces
from tidegate.core.process.lifecycle import Lifecycle
from tidegate.pipeline.delivery import ResponseStream
from tidegate.web.asgi_cycle import Receive, Scope, Send
from tidegate.web.exchange import exchange_of
from tidegate.web.inference.reply import HttpResponseWriter


class EventStreamResponse(Response):
    """Streams events and heartbeats until the stream ends or the client disconnects."""

    def __init__(self, stream: ResponseStream, config: ServerConfig, request_id: str, lifecycle: Lifecycle) -> None:
        super().__init__()
        self._stream = stream
        self._config = config
        self._request_id = request_id
        self._lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's signature
        """Send the response (ASGI 3)."""
        exchange = exchange_of(scope)
        reply = HttpResponseWriter(exchange, request_id=self._request_id, ping_seconds=self._config.ping_seconds)
        try:
            with exchange:
                await reply.send_stream(self._stream)
        except ClientDisconnected as gone:
            forget_traces(gone)
        except TidegateError as error:
            reply.send_error(error)
        except asyncio.CancelledError:
            if (shutting_down := self._lifecycle.take_cancellation()) is None:
                raise
            reply.send_error(shutting_down)
        finally:
            await self._stream.close()
