"""Debian's Chromium, driven by Playwright's core in a process of its own (node/driver.mjs)."""

import asyncio
import itertools
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.eventually import PATIENCE_SECONDS

DRIVER = Path(__file__).parent / "node" / "driver.mjs"
_COMMANDS = ("chromium", "chromium-browser", "google-chrome")
_LONGEST_ANSWER = 2**24


def find_browser() -> str:
    """Return the browser's command; skip the test without one."""
    found = next((path for name in _COMMANDS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser is installed ({', '.join(_COMMANDS)})")
    return found


class Browser:
    """A running browser."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, chromium: str) -> "Browser":
        """Start the browser with this command."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            "node", DRIVER.name, chromium, cwd=DRIVER.parent, stdin=pipe, stdout=pipe, limit=_LONGEST_ANSWER
        )
        assert process.stdout is not None
        async with asyncio.timeout(2 * PATIENCE_SECONDS):
            assert await process.stdout.readline(), "the browser did not start"
        return cls(process)

    async def close(self) -> None:
        """End the browser."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reader

    async def page(self, *, width: int = 1280, height: int = 900, scheme: str = "light", **options: Any) -> "Page":
        """Open an empty page, with no cookie of another one."""
        size = {"width": width, "height": height}
        return Page(self, await self.send(open={"viewport": size, "colorScheme": scheme, **options}))

    async def send(self, **request: Any) -> Any:
        """Send a request to the driver, and return its answer."""
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode({"id": number, **request}) + b"\n")
        async with asyncio.timeout(2 * PATIENCE_SECONDS):
            return await answer

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            answer = msgspec.json.decode(line)
            waiting = self._waiting.pop(answer["id"])
            if waiting.done():
                continue
            if "error" in answer:
                waiting.set_exception(AssertionError(answer["error"]))
            else:
                waiting.set_result(answer["value"])


class Page:
    """A page of the browser. The methods are Playwright's."""

    def __init__(self, browser: Browser, number: int) -> None:
        self._browser = browser
        self._number = number

    async def call(self, method: str, *args: Any) -> Any:
        """Call a method of Playwright's page, such as `keyboard.press`."""
        return await self._browser.send(page=self._number, call=method, args=args)

    async def show(self, address: str, ready: str) -> None:
        """Open an address, and wait until the page has this element."""
        await self.call("goto", address)
        await self.has(ready)

    async def has(self, selector: str) -> None:
        """Wait until an element is there and seen."""
        await self.call("waitForSelector", selector)

    async def lacks(self, selector: str) -> None:
        """Wait until no such element is seen."""
        await self.call("waitForSelector", selector, {"state": "hidden"})

    async def click(self, selector: str) -> None:
        await self.call("click", selector)

    async def fill(self, selector: str, text: str) -> None:
        await self.call("fill", selector, text)

    async def press(self, keys: str) -> None:
        await self.call("keyboard.press", keys)

    async def text(self, selector: str) -> str:
        """Return the text of an element, as it is seen."""
        text: str = await self.call("innerText", selector)
        return text

    async def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        return await self.call("evaluate", expression)

    async def overflow(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        width: int = await self.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return width

    async def screenshot(self, path: Path) -> None:
        """Write a picture of the whole page."""
        await self.call("screenshot", {"path": str(path), "fullPage": True})

    async def findings(self) -> list[dict[str, Any]]:
        """Return what axe-core finds that is serious or worse."""
        found = await self._browser.send(page=self._number, axe=True)
        return [each for each in found if each["impact"] in ("serious", "critical")]

    async def seen(self) -> dict[str, list[str]]:
        """Return the page's `complaints` and `dialogs`, and the `addresses` that it asked for."""
        seen: dict[str, list[str]] = await self._browser.send(page=self._number, seen=True)
        return seen

    async def close(self) -> None:
        await self._browser.send(page=self._number, close=True)
