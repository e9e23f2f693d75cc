"""A real browser, and the stand-in for the gateway behind the page."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.browser.browser import Browser, find_browser
from tests.browser.stand_in import StandIn
from tests.gateway.conftest import world
from tests.node_packages import install_node_packages

__all__ = ["world"]


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser; tests are skipped without Chromium or Node.js."""
    chromium = find_browser()
    install_node_packages(Path(__file__).parent / "node")
    browser = await Browser.start(chromium)
    yield browser
    await browser.close()


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    """A stand-in whose session is open."""
    async with StandIn().serving() as stand_in:
        yield stand_in
