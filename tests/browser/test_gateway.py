"""The page on a real gateway, in a real browser: its figures are the admin API's, its acts act, revoking logs out."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.browser.browser import Browser, Page
from tests.browser.test_injection import PAYLOADS
from tests.faults.scripts import whole
from tests.faults.upstream import ReceivedRequest, Script
from tests.gateway.reports.setting import before
from tests.gateway.test_queue import UpstreamFeedback
from tests.harness import RESPONSES, Gateway, Json, World, ask
from tidegate.storage.redis import RedisLink

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


async def test_latency_queue_alerts_and_stores_are_as_the_admin_api_has_them(
    visit: Visit, world: World, redis_link: RedisLink
) -> None:
    clock, walls = asyncio.get_running_loop(), []
    for number in range(3):
        begun = clock.time()
        assert (await visit.gateway.chat(ask(f"Tide {number}?"))).status == 200
        walls.append(1000 * (clock.time() - begun))
    await world.ledger_entries(3)
    await UpstreamFeedback(redis_link, world.prefix).refuse_for(25.0)
    waiting = asyncio.create_task(visit.gateway.chat(ask("Who waits?")))
    await visit.log_in()
    page = visit.page
    await page.has("#calls-total >> text=/^3$/")
    await page.has("#queue-waiting >> text=/^1$/")
    assert sum(lane["waiting"] for lane in (await visit.admin("GET", "queue"))["data"]) == 1

    latencies = [call["latency_ms"] for call in (await visit.admin("GET", "calls"))["data"]]
    shown = [milliseconds(await page.text(f"#latency-whole-{name}")) for name in ("p50", "p95")]
    # a time is shown by its bucket, whose bounds are at most 2.5 times apart
    assert min(latencies) / 2.5 <= shown[0] <= shown[1] <= 2.5 * max(walls)

    for alert in (await visit.admin("GET", "alerts"))["alerts"]:
        name = alert["alert"]
        row = await page.text(f"#panel-alerts [data-row='{name}']")
        assert ("firing" in row) == alert["is_firing"], row
    for store in ("redis", "postgresql"):
        assert "used" in await page.text(f"#panel-stores [data-row={store}]")
    waiting.cancel()


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


async def test_names_tags_and_words_of_an_upstream_stay_text(world: World, browser: Browser) -> None:
    operator = await world.keys.create(project="operators", name="night watch", admin=True)
    page = await browser.page(width=360)
    words = iter(PAYLOADS * 2)

    def refusal(request: ReceivedRequest) -> Script:
        text = next(words)
        return whole(request, 400, json.dumps({"error": {"message": text, "type": text, "code": text}}).encode())

    async with before(world, refusal, retries={"max_retries": 0}) as (gateway, _):
        for number, payload in enumerate(PAYLOADS):
            tags = f"feature={printable(payload).replace(',', ';')[:60]}"
            await gateway.chat(ask("Hello", seed=number), x_tidegate_tags=tags)
        admin = {"authorization": f"Bearer {operator.token}"}
        for payload in PAYLOADS:
            made = {"project": "shop", "name": printable(payload)[:60]}
            async with world.http.post(f"{gateway.root}/admin/v1/keys", json=made, headers=admin) as answer:
                assert answer.status == 201, await answer.text()
        await page.show(f"{gateway.root}/dashboard#/overview", "#key")
        await page.fill("#key", operator.token)
        await page.press("Enter")
        await page.has("#panel-errors .words")
        words_shown = await page.text("#panel-errors .words")
        assert [payload for payload in PAYLOADS if payload.startswith(words_shown[:100])] != [], words_shown
        assert await page.overflow() == 0
        await page.show(f"{gateway.root}/dashboard#/keys", "td")
        shown = await page.evaluate("document.getElementById('content').textContent")
        assert [payload for payload in PAYLOADS if printable(payload)[:60] not in shown] == []
        assert await page.overflow() == 0
        seen = await page.seen()
        assert seen["dialogs"] == []
        assert [address for address in seen["addresses"] if not address.startswith(f"{gateway.root}/")] == []
        assert await page.evaluate("globalThis.executed ?? null") is None
    await page.close()


def printable(text: str) -> str:
    """Return what a header and a name may have of a text."""
    return "".join(each for each in text if each.isascii() and each.isprintable())


def milliseconds(text: str) -> float:
    """Return a shown time in milliseconds."""
    number, unit = text.split()
    return float(number) * {"ms": 1, "s": 1000}[unit]


async def title(page: Page, selector: str) -> str:
    """Return the title of an element."""
    found: str = await page.call("getAttribute", selector, "title")
    return found
