"""Degraded, forbidden, ended, cut off, empty: each has a state of its own, and keyboards reach everything."""

import pytest

from tests.browser import sample
from tests.browser.browser import Browser
from tests.browser.stand_in import KEY, StandIn

pytestmark = [pytest.mark.node, pytest.mark.long]

FIRST_ROTATE = "[data-row=key_0] [data-act=rotate]"


async def test_a_store_that_is_away_is_told_with_the_age_of_the_figures(browser: Browser, stand_in: StandIn) -> None:
    page = await browser.page()
    await page.show(f"{stand_in.root}/dashboard", "#panel-spend")
    text = "Redis is away: these figures are from PostgreSQL, 40 s old."
    stand_in.overview = {
        **sample.healthy(),
        "degraded": [{"store": "redis", "since": sample.AT - 720, "text": text}],
        "queue": {"waiting": None, "oldest_wait_ms": None, "lanes": []},
        "targets": None,
        "credentials": None,
        "alerts": None,
    }
    stand_in.tell()
    await page.has(f"text={text}")
    assert "It is us: our Redis is away for 12 min." in await page.text("#verdict")
    assert await page.text("#queue-waiting") == "\u2013"
    assert "not known" in await page.text("#panel-alerts")
    await page.close()


async def test_a_gateway_without_calls_is_well_and_empty(browser: Browser, stand_in: StandIn) -> None:
    nothing = {"total": 0, "answered": 0, "refused": 0, "failed": 0, "series": [], "errors": []}
    stand_in.overview = {**sample.healthy(), "calls": nothing, "spend": {**sample.overview()["spend"], "budgets": []}}
    page = await browser.page()
    await page.show(f"{stand_in.root}/dashboard", "#panel-spend")
    assert await page.text("#verdict .sentence") == "All is well. No calls in the last hour."
    assert await page.text("#panel-errors .empty") == "No call failed in this range."
    assert "No budget limits the spending." in await page.text("#panel-spend")
    await page.close()


async def test_a_read_only_session_has_no_buttons_and_is_told_why(browser: Browser, stand_in: StandIn) -> None:
    stand_in.kind = "read_only"
    page = await browser.page()
    for view, ready in (
        ("upstreams", "#panel-credentials td"),
        ("alerts", "#panel-messages"),
        ("keys", "#panel-keys td"),
    ):
        await page.show(f"{stand_in.root}/dashboard#/{view}", ready)
        assert "This key is read-only" in await page.text("#content .notice")
        assert await page.evaluate("document.querySelectorAll('#content button').length") == 0
    await page.close()


async def test_an_ended_session_leads_to_the_login_and_back_to_the_same_view(
    browser: Browser, stand_in: StandIn
) -> None:
    page = await browser.page()
    await page.show(f"{stand_in.root}/dashboard#/keys", FIRST_ROTATE)
    await page.click(FIRST_ROTATE)
    await page.has("dialog")
    stand_in.end_session()
    await page.has("#key")
    assert "The session has ended." in await page.text(".notice")
    assert await page.evaluate("document.querySelectorAll('dialog, .panel').length") == 0, "nothing stays in the page"
    await page.fill("#key", KEY)
    await page.press("Enter")
    await page.has(FIRST_ROTATE)
    await page.close()


async def test_a_stream_that_is_cut_is_told_and_opened_again(browser: Browser, stand_in: StandIn) -> None:
    page = await browser.page()
    await page.show(f"{stand_in.root}/dashboard", "#connection[data-state=live]")
    stand_in.accepts_streams = False
    stand_in.cut()
    await page.has("#connection[data-state=refused][title='Refused: no_room.']")
    await page.has("text=/last seen \\d+ s ago/")
    stand_in.accepts_streams = True
    await page.has("#connection[data-state=live]")
    await page.close()


async def test_a_hidden_page_rests(browser: Browser, stand_in: StandIn) -> None:
    page = await browser.page()
    await page.show(f"{stand_in.root}/dashboard", "#connection[data-state=live]")
    for hidden, state in (("true", "resting"), ("false", "live")):
        await page.evaluate(
            f"Object.defineProperty(document, 'hidden', {{value: {hidden}, configurable: true}});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        await page.has(f"#connection[data-state={state}]")
    await page.close()


async def test_a_view_that_cannot_be_loaded_says_why_and_tries_again(browser: Browser, stand_in: StandIn) -> None:
    keys = stand_in.answers.pop("keys")
    page = await browser.page()
    await page.show(f"{stand_in.root}/dashboard#/keys", "text=Refused: unknown_url.")
    stand_in.answers["keys"] = keys
    await page.click("[data-act=again]")
    await page.has(FIRST_ROTATE)
    await page.lacks(".notice.tone-bad")
    await page.close()


async def test_acts_carry_the_proof_and_what_a_person_chose(browser: Browser, stand_in: StandIn) -> None:
    page = await browser.page()
    await page.show(f"{stand_in.root}/dashboard#/upstreams", "#panel-credentials td")
    await page.click("[data-row='openai/default'] [data-act=suspend]")
    await page.click("dialog >> text=Cancel")
    await page.lacks("dialog")
    assert stand_in.acts == [], "a question that is answered with no changes nothing"
    await page.click("[data-row='openai/default'] [data-act=suspend]")
    await page.click("dialog button.danger")
    await page.lacks("dialog")
    await page.show(f"{stand_in.root}/dashboard#/alerts", "[data-act=mute]")
    await page.click("text=Mute for 8 hours")
    await page.show(f"{stand_in.root}/dashboard#/keys", "[data-act=create]")
    await page.click("[data-act=create]")
    await page.fill("#project", "lab")
    await page.call("selectOption", "#kind", "read_only")
    await page.fill("#budget", "12.5")
    await page.click("dialog button.primary")
    await page.has("#secret")
    assert await page.text("#secret") == "sk-tg-shown-once"
    await page.press("Escape")
    await page.lacks("dialog")
    assert "sk-tg-shown-once" not in await page.evaluate("document.documentElement.outerHTML")
    limits = {"budget_month_usd": "12.5"}
    key = {"project": "lab", "name": "", "admin": True, "read_only": True, "limits": limits}
    assert stand_in.acts == [
        ("POST", "upstream/credentials/openai/default/suspend", None, "proof"),
        ("POST", "alerts/mute", {"seconds": 28800}, "proof"),
        ("POST", "keys", key, "proof"),
    ]
    await page.close()


async def test_new_figures_leave_focus_and_opened_parts_alone(browser: Browser, stand_in: StandIn) -> None:
    page = await browser.page()
    await page.show(f"{stand_in.root}/dashboard", "#panel-calls")
    await page.click("#panel-calls summary")
    await page.call("focus", "#panel-alerts a")
    stand_in.overview = {**stand_in.overview, "replicas": 7}
    stand_in.tell()
    await page.has("#panel-stores >> text=7")
    assert await page.evaluate("document.querySelector('#panel-calls details').open") is True
    assert await page.evaluate("document.activeElement.closest('.panel').id") == "panel-alerts"
    await page.close()


async def test_the_page_is_used_by_keyboard(browser: Browser, stand_in: StandIn) -> None:
    page = await browser.page()
    await page.show(f"{stand_in.root}/dashboard#/keys", FIRST_ROTATE)
    await page.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await page.press("Enter")
    assert await page.evaluate("[document.activeElement.id, location.hash]") == ["content", "#/keys"]
    await page.call("focus", FIRST_ROTATE)
    await page.press("Enter")
    await page.has("dialog #overlap")
    assert await page.evaluate("document.querySelector('dialog').contains(document.activeElement)") is True
    await page.press("Escape")
    await page.lacks("dialog")
    assert await page.evaluate("document.activeElement.dataset.act") == "rotate"
    assert stand_in.acts == []
    await page.click(".menu summary")
    await page.has("[data-act=logout]")
    await page.press("Escape")
    await page.lacks("[data-act=logout]")
    await page.close()


async def test_the_chosen_colours_stay(browser: Browser, stand_in: StandIn) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    page = await browser.page(scheme="light")
    await page.show(f"{stand_in.root}/dashboard", "#panel-spend")
    light = await page.evaluate(ground)
    await page.click(".menu summary")
    await page.click("[data-scheme=dark]")
    await page.has("[data-scheme=dark][aria-pressed=true]")
    dark = await page.evaluate(ground)
    await page.call("reload")
    await page.has("#panel-spend")
    assert (await page.evaluate(ground) == dark, light == dark) == (True, False)
    await page.close()


async def test_times_are_relative_to_the_gateways_clock(browser: Browser, stand_in: StandIn) -> None:
    stand_in.overview = {**sample.overview(), "at": sample.AT + 7200}
    page = await browser.page()
    await page.show(f"{stand_in.root}/dashboard", "#panel-errors td")
    assert await page.text("#panel-errors time >> nth=0") == "2h ago"
    assert "CET" not in await page.text("#panel-errors")
    await page.close()
