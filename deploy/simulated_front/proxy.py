"""A proxy that keeps one front door's limits: it cuts off, refuses and buffers as that door does."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager

import aiohttp
from aiohttp import web

from deploy.simulated_front.doors import FrontDoor

_HOP_BY_HOP = {"connection", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}


class AnswerTooLargeError(Exception):
    """The answer is larger than the front door buffers."""


class SimulatedFront:
    """Forwards calls to the gateway at `target`, as the front door does."""

    def __init__(self, door: FrontDoor, target: str, http: aiohttp.ClientSession) -> None:
        self._door = door
        self._target = target.rstrip("/")
        self._http = http

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Return the answer to one call, or the front door's refusal."""
        body = await _read(request, self._door.request_bytes)
        if body is None:
            return _refusal(413, "Request Too Long")
        response: web.StreamResponse | None = None
        try:
            async with asyncio.timeout(self._door.total_seconds), self._open(request, body) as answer:
                if self._door.is_buffered:
                    return await self._buffer(answer)
                response = web.StreamResponse(status=answer.status, headers=_end_to_end(answer.headers.items()))
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
        except (TimeoutError, aiohttp.ClientError, AnswerTooLargeError) as error:
            if response is None:
                return self._refusal_for(error)
            # a status has been sent: the client only sees that the connection ends too early
            if request.transport is not None:
                request.transport.abort()
            return response

    def _open(self, request: web.Request, body: bytes) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._http.request(
            request.method,
            f"{self._target}{request.raw_path}",
            headers=_end_to_end(request.headers.items()),
            data=io.BytesIO(body) if body else None,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_read=self._door.idle_seconds),
        )

    async def _buffer(self, answer: aiohttp.ClientResponse) -> web.Response:
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if self._door.answer_bytes is not None and len(body) > self._door.answer_bytes:
                raise AnswerTooLargeError
        headers = [pair for pair in _end_to_end(answer.headers.items()) if pair[0].lower() != "content-length"]
        return web.Response(status=answer.status, headers=headers, body=bytes(body))

    def _refusal_for(self, error: Exception) -> web.Response:
        if isinstance(error, TimeoutError):
            return _refusal(self._door.timeout_status, "Endpoint request timed out")
        if isinstance(error, AnswerTooLargeError):
            return _refusal(self._door.answer_too_large_status, "Internal server error")
        return _refusal(502, f"No answer from the gateway: {error}")


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)


def _end_to_end(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP]


async def _read(request: web.Request, limit: int | None) -> bytes | None:
    """Return the request's body; None if it is larger than `limit`."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if limit is not None and len(body) > limit:
            return None
    return bytes(body)


@contextlib.asynccontextmanager
async def serving(door: FrontDoor, target: str, *, port: int = 0) -> AsyncIterator[str]:
    """Run the front door on loopback while the context lasts; yield its address. Port 0 is any free one."""
    async with aiohttp.ClientSession(
        auto_decompress=False, connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
    ) as http:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", SimulatedFront(door, target, http).handle)
        # a client that goes away ends its call at the gateway, too
        runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
