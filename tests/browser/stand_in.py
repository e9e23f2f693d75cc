"""A stand-in for the gateway behind `/dashboard`: it serves the page's files, and the figures that a test gives it.

With it a test shows states that a real gateway is rarely in, and texts that no real upstream sends.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from tests.browser import sample
from tests.harness import Json, free_port

FILES = Path(__file__).parents[2] / "tidegate" / "web" / "dashboard" / "files"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
KEY = "sk-tg-of-an-operator"


class StandIn:
    """The figures, and who is logged in. A test changes them while the page is open; `tell` sends them."""

    def __init__(self) -> None:
        self.port = free_port()
        self.kind = "full"
        self.is_open = True
        """Whether there is a session."""
        self.accepts_streams = True
        self.overview: Json = sample.overview()
        self.answers: dict[str, Any] = sample.answers()
        """The body of each GET below `/admin/v1`, by path."""
        self.acts: list[tuple[str, str, Any, str | None]] = []
        """Method, path, body and proof against forgery of each other request."""
        self._streams: set[asyncio.Queue[str | None]] = set()

    @property
    def root(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["StandIn"]:
        """Serve while the context lasts."""
        app = web.Application()
        app.router.add_get("/dashboard", self._page)
        app.router.add_get("/dashboard/files/{name:.+}", self._file)
        app.router.add_route("*", "/dashboard/session", self._session)
        app.router.add_get("/dashboard/events", self._events)
        app.router.add_route("*", "/admin/v1/{path:.+}", self._admin)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            yield self
        finally:
            self.cut()
            await runner.cleanup()

    def tell(self) -> None:
        """Send the figures to each open page."""
        for stream in self._streams:
            stream.put_nowait(_event("overview", self.overview))

    def end_session(self) -> None:
        """End the session, as a revoked key does."""
        self.is_open = False
        for stream in self._streams:
            stream.put_nowait(_event("gone", {}))

    def cut(self) -> None:
        """Cut the streams of all pages."""
        for stream in self._streams:
            stream.put_nowait(None)

    async def _page(self, _: web.Request) -> web.StreamResponse:
        return _served("index.html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return _served(request.match_info["name"])

    async def _session(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            self.is_open = (await request.json())["key"] == KEY
            return web.Response(status=204) if self.is_open else _refused(401, "invalid_api_key")
        if request.method == "DELETE":
            self.is_open = False
            return web.Response(status=204)
        if not self.is_open:
            return _refused(401, "missing_api_key")
        return web.json_response(
            {"name": "night watch", "kind": self.kind, "expires_at": sample.AT + 9000, "csrf": "proof"}
        )

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if not self.accepts_streams:
            return _refused(503, "no_room")
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        stream: asyncio.Queue[str | None] = asyncio.Queue()
        self._streams.add(stream)
        text: str | None = _event("overview", {**self.overview, "range": request.query["range"]})
        with contextlib.suppress(ConnectionError):
            while text is not None:
                await response.write(text.encode())
                text = await stream.get()
        self._streams.discard(stream)
        return response

    async def _admin(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        if not self.is_open:
            return _refused(401, "missing_api_key")
        if request.method == "GET":
            return _refused(404, "unknown_url") if path not in self.answers else web.json_response(self.answers[path])
        body = await request.json() if request.can_read_body else None
        self.acts.append((request.method, path, body, request.headers.get("x-tidegate-csrf")))
        return web.json_response(self.answers.get(f"{request.method} {path}", {}))


def _served(name: str) -> web.StreamResponse:
    headers = {"content-security-policy": POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
    return web.FileResponse(FILES / name, headers=headers)


def _refused(status: int, code: str) -> web.Response:
    return web.json_response({"error": {"message": f"Refused: {code}.", "type": "error", "code": code}}, status=status)


def _event(name: str, body: Json) -> str:
    return f"event: {name}\ndata: {msgspec.json.encode(body).decode()}\n\n"
