"""The page on a real gateway, in a real browser: its figures are the admin API's, its acts act, revoking logs out."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.browser.browser import Browser, Page
from tests.browser.test_injection import PAYLOADS
from tests.harness import RESPONSES, Gateway, Json, World, ask

pytestmark = [pytest.mark.node, pytest.mark.long]

SECONDS_TO_SEE_A_CHANGE = 3.0
CREDENTIAL = "openai/default"
LIMITS = {"budgets": {"limit_usd_per_day": "5"}, "retries": {"max_retries": 0}}


class Visit:
    """A gateway, an operator's key, and the page in a browser."""

    def __init__(self, gateway: Gateway, page: Page, key: str) -> None:
        self.gateway = gateway
        self.page = page
        self.key = key

    async def admin(self, method: str, path: str) -> Json:
        """Call the admin API, as another person does."""
        headers = {"authorization": f"Bearer {self.key}"}
        async with self.gateway.http.request(method, f"{self.gateway.root}/admin/v1/{path}", headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            found: Json = await answer.json()
            return found

    async def log_in(self, key: str = "", view: str = "overview") -> None:
        """Open a view, and log in by the form."""
        await self.page.show(f"{self.gateway.root}/dashboard#/{view}", "#key")
        await self.page.fill("#key", key or self.key)
        await self.page.press("Enter")

    async def open(self, view: str, ready: str) -> None:
        """Go to a view by its address."""
        await self.page.show(f"{self.gateway.root}/dashboard#/{view}", ready)


@pytest.fixture
async def visit(world: World, browser: Browser) -> AsyncIterator[Visit]:
    operator = await world.keys.create(project="operators", name="night watch", admin=True)
    async with world.gateway(**LIMITS) as gateway:
        page = await browser.page()
        yield Visit(gateway, page, operator.token)
        seen = await page.seen()
        await page.close()
    # the browser notes that there is no session before the login, and that a caller's key is refused
    refused = ("with a status of 401", "with a status of 403")
    assert [text for text in seen["complaints"] if not any(each in text for each in refused)] == []
    assert [address for address in seen["addresses"] if not address.startswith(f"{gateway.root}/")] == []
    assert seen["dialogs"] == []


async def test_the_panels_have_the_figures_of_the_admin_api(visit: Visit, world: World) -> None:
    for words in ("When is high tide?", "When is low tide?", "When is high tide?"):
        assert (await visit.gateway.chat(ask(words))).status == 200
    assert (await visit.gateway.chat(ask("Fail.", seed=1), x_simulate_fault="out_of_quota")).status == 429
    await world.ledger_entries(4)
    await visit.log_in()
    page = visit.page
    await page.has("#calls-total >> text=/^4$/")
    total = (await visit.admin("GET", "usage"))["total"]
    budgets = {each["kind"]: each for each in (await visit.admin("GET", "budgets"))["data"]}
    assert await page.text("#calls-answered") == "3"
    assert float((await title(page, "#spend-today .amount")).removeprefix("$")) == float(total["cost_usd"])
    assert float(budgets["all"]["spent_usd"]) == float(total["cost_usd"])
    await page.has("#panel-spend >> text=of $5.00 a day")
    await page.has("#panel-errors >> text=insufficient_quota")
    assert "1" in await page.text("#panel-cache dd >> nth=2")
    for name in ("openai/default", "Redis", "PostgreSQL"):
        assert name in await page.text("#content")


async def test_a_change_made_elsewhere_is_soon_seen(visit: Visit) -> None:
    await visit.log_in()
    row = f"#panel-upstreams [data-row='credential {CREDENTIAL}']"
    await visit.page.has(f"{row} >> text=healthy")
    took = []
    for act, state in (("suspend", "suspended"), ("resume", "healthy"), ("suspend", "suspended")):
        await visit.admin("POST", f"upstream/credentials/{CREDENTIAL}/{act}")
        begun = asyncio.get_running_loop().time()
        await visit.page.has(f"{row} >> text={state}")
        took.append(asyncio.get_running_loop().time() - begun)
    assert min(took) <= SECONDS_TO_SEE_A_CHANGE, "the fastest of three, so that a busy machine does not fail it"


async def test_a_credential_is_suspended_and_resumed(visit: Visit) -> None:
    await visit.log_in(view="upstreams")
    row = f"[data-row='{CREDENTIAL}']"
    await visit.page.click(f"{row} [data-act=suspend]")
    await visit.page.click("dialog button.danger")
    await visit.page.has(f"{row} >> text=suspended")
    assert (await visit.admin("GET", "upstream"))["credentials"][0]["state"] == "suspended"
    await visit.page.click(f"{row} [data-act=resume]")
    await visit.page.has(f"{row} >> text=healthy")
    assert (await visit.admin("GET", "upstream"))["credentials"][0]["state"] == "healthy"


async def test_a_key_that_is_made_in_the_page_calls_and_is_revoked_there(visit: Visit) -> None:
    await visit.log_in(view="keys")
    page = visit.page
    await page.click("[data-act=create]")
    await page.fill("#project", "lab")
    await page.fill("#name", "bench")
    await page.click("dialog button.primary")
    await page.has("#secret")
    secret = await page.text("#secret")
    assert (await visit.gateway.chat(ask("With a new key?"), authorization=f"Bearer {secret}")).status == 200
    await page.press("Escape")
    await page.click("tr:has-text('bench') [data-act=revoke]")
    await page.click("dialog button.danger")
    await page.has("tr:has-text('bench') >> text=revoked")
    (key,) = (await visit.admin("GET", "keys?project=lab"))["data"]
    assert key["state"] == "revoked"


async def test_a_revoked_key_is_logged_out(visit: Visit, world: World) -> None:
    second = await world.keys.create(project="operators", name="leaving", admin=True)
    await visit.log_in(second.token)
    await visit.page.has("#panel-spend")
    await visit.admin("DELETE", f"keys/{second.record.id}")
    await visit.page.has("text=The session has ended.")
    await visit.page.has("#key")


async def test_the_key_of_a_caller_opens_nothing(visit: Visit) -> None:
    await visit.log_in(visit.gateway.key)
    await visit.page.has("[role=alert] >> text=This key opens nothing here.")
    assert await visit.page.evaluate("document.querySelectorAll('.panel').length") == 0


async def test_a_stored_conversation_is_found_and_read(visit: Visit) -> None:
    words = f"When is {PAYLOADS[0]} high tide?"
    assert (await visit.gateway.call("/responses", {**RESPONSES, "input": words, "store": True})).status == 200
    await visit.log_in(view="conversations")
    page = visit.page
    await page.fill("#query", "tide")
    await page.press("Enter")
    await page.has("#panel-results mark >> text=tide")
    await page.click("#panel-results a.talk")
    await page.has(".reading li >> nth=1")
    assert await page.text(".reading .text >> nth=0") == words
    assert await page.evaluate("globalThis.executed ?? null") is None


async def test_what_callers_send_stays_text(visit: Visit) -> None:
    for number, payload in enumerate(PAYLOADS):
        headers = {"x_tidegate_tags": "feature=x"} if number else {}
        body = ask("Hello", model=payload[:200], user=payload[:60], seed=number)
        await visit.gateway.chat(body, **headers)
    await visit.gateway.chat(ask("Hello", model="W" * 10_000))
    await visit.log_in()
    await visit.page.has("#panel-errors td")
    for width in (360, 1280):
        await visit.page.call("setViewportSize", {"width": width, "height": 800})
        assert (width, await visit.page.overflow()) == (width, 0)
    assert await visit.page.evaluate("globalThis.executed ?? null") is None


async def title(page: Page, selector: str) -> str:
    """Return the title of an element."""
    found: str = await page.call("getAttribute", selector, "title")
    return found
