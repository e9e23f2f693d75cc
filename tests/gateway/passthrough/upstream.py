"""An upstream that answers any operation with what its test says, and keeps what it received."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import msgspec
from aiohttp import web

from tests.free_ports import first_of_free_ports

Handler = Callable[["Received", web.Request], Awaitable[web.StreamResponse]]


class Received(msgspec.Struct, frozen=True):
    """One request that came completely."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class OperationUpstream:
    """Answers each path with the JSON of `answers`, or by the handler there; what is not listed is a 404."""

    def __init__(self, answers: Mapping[str, object | Handler]) -> None:
        """`answers` by method and path: `POST /v1/files`."""
        self.answers = dict(answers)
        self.received: list[Received] = []
        self.begun = 0
        """Requests whose head came, also those whose body broke off."""
        self.base_url = ""
        self.keys: set[str] = set()
        """The keys that are accepted; empty for any."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.begun += 1
        body = await request.read()
        received = Received(
            request.method, request.path, request.rel_url.raw_query_string, request.headers.copy(), body
        )
        self.received.append(received)
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.keys and key not in self.keys:
            return refusal(401, "invalid_api_key", "Incorrect API key provided.")
        found = self.answers.get(f"{request.method} {request.path}")
        if found is None:
            return refusal(404, "not_found", f"No such path: {request.path}")
        if callable(found):
            answer: web.StreamResponse = await found(received, request)
            return answer
        return web.json_response(found, headers={"x-request-id": "req_upstream"})

    @contextlib.asynccontextmanager
    async def serving(
        self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    ) -> AsyncIterator["OperationUpstream"]:
        """Serve on a free port, by another `handler` where one is given."""
        app = web.Application(client_max_size=2**31)
        app.router.add_route("*", "/{path:.*}", handler or self.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        port = first_of_free_ports(1)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.base_url = f"http://127.0.0.1:{port}/v1"
        try:
            yield self
        finally:
            await runner.cleanup()


def refusal(status: int, code: str, message: str) -> web.Response:
    """Return an error as OpenAI sends it."""
    error = {"message": message, "type": "invalid_request_error", "code": code, "param": None}
    return web.json_response({"error": error}, status=status)


def form(*parts: tuple[str, bytes, str | None], boundary: str = "b0undary", end: bool = True) -> tuple[bytes, str]:
    """Return a multipart body of (name, content, file name) and its content type."""
    body = b""
    for name, content, filename in parts:
        named = f'; filename="{filename}"' if filename is not None else ""
        body += f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"{named}\r\n\r\n'.encode()
        body += content + b"\r\n"
    return body + (f"--{boundary}--\r\n".encode() if end else b""), f"multipart/form-data; boundary={boundary}"
