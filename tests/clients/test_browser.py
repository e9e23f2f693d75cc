"""The official client in a page, in a real browser, calls the gateway where its origin is admitted, and only there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.browser.browser import find_browser
from tests.eventually import PATIENCE_SECONDS
from tests.harness import Gateway, World, free_port

pytestmark = pytest.mark.node


class Page:
    """A web server with the page; the page posts what it saw."""

    def __init__(self, packages: Path) -> None:
        self._packages = packages
        self.port = free_port()
        self.seen: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    @property
    def origin(self) -> str:
        """Return the page's origin."""
        return f"http://localhost:{self.port}"

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve while the context lasts."""
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_post("/seen", self._take)
        app.router.add_static("/node_modules", self._packages / "node_modules")
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            yield
        finally:
            await runner.cleanup()

    async def _page(self, _: web.Request) -> web.FileResponse:
        return web.FileResponse(self._packages / "browser.html")

    async def _take(self, request: web.Request) -> web.Response:
        self.seen.set_result(await request.json())
        return web.Response()


async def look(browser: str, page: Page, gateway: Gateway, folder: Path) -> dict[str, Any]:
    """Open the page; return what it saw."""
    address = f"{page.origin}/?gateway={gateway.root}&key={gateway.key}"
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'browser'}")
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(browser, *options, address, stdout=quiet, stderr=quiet)
    try:
        async with asyncio.timeout(2 * PATIENCE_SECONDS):
            return await page.seen
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@pytest.fixture(scope="session")
def browser() -> str:
    """The browser's command."""
    return find_browser()


@pytest.mark.parametrize("is_admitted", [True, False])
async def test_the_official_client_in_a_page(
    world: World, node_packages: Path, browser: str, tmp_path: Path, is_admitted: bool
) -> None:
    page = Page(node_packages)
    origins = [page.origin if is_admitted else "https://app.example.com"]
    async with page.serving(), world.gateway(server={"cors_origins": origins, "max_body_bytes": 65536}) as gateway:
        seen = await look(browser, page, gateway, tmp_path)
        calls = await world.calls()
    if not is_admitted:
        assert {str(what)[:24] for name, what in seen.items() if name not in ("wrongKey", "tooLarge")} == {
            "APIConnectionError: Conn"
        }
        assert calls == 0
        return
    assert seen["whole"] == seen["streamed"] == seen["azure"] != ""
    assert seen["response"]
    assert seen["requestId"].startswith("req_")
    assert float(seen["cost"]) >= 0
    assert seen["wrongKey"] == {"kind": "AuthenticationError", "status": 401, "code": "invalid_api_key"}
    assert (seen["tooLarge"]["status"], seen["tooLarge"]["code"]) == (413, "body_too_large")
