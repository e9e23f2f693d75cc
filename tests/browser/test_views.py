"""Each view fits each window in light and dark, is accessible, complains of nothing and asks no other host."""

import pytest

from tests.browser.browser import Browser
from tests.browser.stand_in import KEY, StandIn

pytestmark = [pytest.mark.node, pytest.mark.long]

WIDTHS = (360, 390, 1280, 2560, 3840)
READY = {
    "overview": "#panel-stores",
    "upstreams": "#panel-credentials td",
    "alerts": "#panel-deliveries td",
    "keys": "#panel-budgets td",
    "conversations": "#panel-results li",
    "conversations/conv_1": ".reading li",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", READY)
async def test_a_view_fits_is_accessible_and_stays_at_home(
    browser: Browser, stand_in: StandIn, view: str, scheme: str
) -> None:
    page = await browser.page(scheme=scheme)
    await page.show(f"{stand_in.root}/dashboard#/{view}", READY[view])
    for width in WIDTHS:
        await page.call("setViewportSize", {"width": width, "height": 800})
        assert (width, await page.overflow()) == (width, 0)
        if width == (360 if scheme == "dark" else 1280):
            assert await page.findings() == []
    seen = await page.seen()
    assert (seen["complaints"], seen["dialogs"]) == ([], [])
    assert [address for address in seen["addresses"] if not address.startswith(f"{stand_in.root}/")] == []
    await page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_login_fits_and_is_accessible(browser: Browser, stand_in: StandIn, scheme: str) -> None:
    stand_in.is_open = False
    page = await browser.page(scheme=scheme, width=360)
    await page.show(f"{stand_in.root}/dashboard", "#key")
    assert (await page.overflow(), await page.findings()) == (0, [])
    await page.fill("#key", "sk-tg-wrong")
    await page.press("Enter")
    await page.has("[role=alert]")
    assert "opens nothing here" in await page.text("[role=alert]")
    await page.fill("#key", f" {KEY} ")
    await page.press("Enter")
    await page.has("#panel-spend")
    assert await page.evaluate("document.activeElement.id") == "content"
    await page.close()


@pytest.mark.parametrize(
    ("view", "opener", "ready"),
    [
        ("keys", "text=Create a key", "#kind"),
        ("keys", "[data-act=rotate] >> nth=0", "#overlap"),
        ("keys", "[data-act=revoke] >> nth=0", "dialog >> text=cannot be undone"),
        ("upstreams", "[data-act=suspend] >> nth=0", "dialog >> text=No replica uses"),
        ("overview", ".menu summary", "[data-act=logout]"),
    ],
)
async def test_what_opens_above_a_view_fits_and_is_accessible(
    browser: Browser, stand_in: StandIn, view: str, opener: str, ready: str
) -> None:
    page = await browser.page(width=360, scheme="dark")
    await page.show(f"{stand_in.root}/dashboard#/{view}", READY[view])
    await page.click(opener)
    await page.has(ready)
    assert (await page.overflow(), await page.findings()) == (0, [])
    await page.close()
