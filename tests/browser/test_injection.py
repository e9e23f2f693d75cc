"""Texts of callers, models and upstreams stay texts: none runs, none loads anything, none breaks the layout."""

from typing import Any

import pytest

from tests.browser import sample
from tests.browser.browser import Browser, Page
from tests.browser.stand_in import StandIn
from tests.browser.test_views import READY
from tests.harness import Json

pytestmark = [pytest.mark.node, pytest.mark.long]

RUN = "globalThis.executed=true;alert(1)"
PAYLOADS = [
    f"<script>{RUN}</script>",
    f"<img src=x onerror='{RUN}'>",
    f'"><svg onload="{RUN}">',
    f"'><svg/onload='{RUN}'>",
    f'<iframe srcdoc="<script>parent.{RUN}</script>"></iframe>',
    f'<a href="javascript:{RUN}">click</a>',
    f"javascript:{RUN}",
    f"<body onload='{RUN}'>",
    f"<details open ontoggle='{RUN}'>",
    f"<input autofocus onfocus='{RUN}'>",
    f"<video><source onerror='{RUN}'></video>",
    f"<math><mtext></form><form><mglyph><style></math><img src onerror='{RUN}'>",
    f"</title><script>{RUN}</script>",
    f"</textarea><script>{RUN}</script>",
    f"<!--><img src=x onerror='{RUN}'>-->",
    f"]]><script>{RUN}</script>",
    "<style>*{display:none!important}</style>",
    "<link rel=stylesheet href=//evil.example.com/x.css>",
    "<base href=//evil.example.com/>",
    "<meta http-equiv=refresh content='0;url=//evil.example.com'>",
    f"<object data='data:text/html,<script>{RUN}</script>'></object>",
    f"<form action='javascript:{RUN}'><button>x</button></form>",
    "${globalThis.executed=true}",
    "{{constructor.constructor('globalThis.executed=true')()}}",
    f"&lt;script&gt;{RUN}&lt;/script&gt;",
    f"\\u003cscript\\u003e{RUN}\\u003c/script\\u003e",
    f'" onmouseover="{RUN}" x="',
    f"' autofocus onfocus='{RUN}' x='",
    "\u202egnirts desrever\u2066\u200b\u0000\x1b[31m" + "e\u0301" * 40,
    "W" * 10_000,
]
FOREIGN = (
    "script, iframe, object, embed, video, math, style, link, base, meta, "
    "[onerror], [onload], [onfocus], a[href^='javascript']"
)
"""Elements that the page itself has nowhere below its content."""


@pytest.mark.parametrize("view", READY)
async def test_texts_of_others_stay_texts(browser: Browser, stand_in: StandIn, view: str) -> None:
    assert len(PAYLOADS) == 30
    fill(stand_in)
    page = await browser.page(width=360)
    await page.show(f"{stand_in.root}/dashboard#/{view}", READY[view])
    for width in (360, 1280):
        await page.call("setViewportSize", {"width": width, "height": 800})
        assert (width, await page.overflow()) == (width, 0)
    await assert_texts(page, stand_in)
    shown = await page.evaluate("document.getElementById('content').textContent")
    expected = PAYLOADS[:-2] if view != "overview" else PAYLOADS[:5]
    assert [text for text in expected if text[:300] not in shown] == []
    await page.close()


async def test_a_key_with_a_hostile_name_is_rotated_and_revoked_by_name(browser: Browser, stand_in: StandIn) -> None:
    fill(stand_in)
    page = await browser.page(width=360)
    await page.show(f"{stand_in.root}/dashboard#/keys", READY["keys"])
    for number in (0, 1, 29):
        await page.click(f"[data-row=key_{number}] [data-act=revoke]")
        await page.has("dialog h2")
        assert PAYLOADS[number][:40] in await page.text("dialog h2")
        assert await page.overflow() == 0
        await page.press("Escape")
        await page.lacks("dialog")
    await assert_texts(page, stand_in)
    await page.close()


async def assert_texts(page: Page, stand_in: StandIn) -> None:
    """Fail if a text became more than a text."""
    seen = await page.seen()
    assert (seen["complaints"], seen["dialogs"]) == ([], [])
    assert [address for address in seen["addresses"] if not address.startswith(f"{stand_in.root}/")] == []
    assert await page.evaluate("globalThis.executed ?? null") is None
    assert await page.evaluate(f'document.getElementById("content").querySelectorAll("{FOREIGN}").length') == 0


def fill(stand_in: StandIn) -> None:
    """Put each payload into each text that is not the gateway's."""
    overview, answers = stand_in.overview, stand_in.answers
    listings: list[tuple[Json, str]] = [
        (overview["calls"], "errors"),
        (overview["spend"], "budgets"),
        (overview["queue"], "lanes"),
        (overview, "targets"),
        (overview, "credentials"),
        (overview, "alerts"),
        (answers["upstream"], "targets"),
        (answers["upstream"], "credentials"),
        (answers["alerts"], "deliveries"),
        (answers["keys"], "data"),
        (answers["budgets"], "data"),
        (answers["conversations"], "data"),
        (answers["conversations/conv_1"], "items"),
    ]
    for holder, name in listings:
        holder[name] = rows(holder[name][0])
    overview["degraded"] = [{"store": "redis", "since": sample.AT - 5, "text": payload} for payload in PAYLOADS[:5]]
    for number, key in enumerate(answers["keys"]["data"]):
        key["id"] = f"key_{number}"
    answers["conversations/conv_1"]["project"] = PAYLOADS[0]
    for alert in answers["alerts"]["alerts"]:
        alert.update(is_firing=True, what=PAYLOADS[0], causes=PAYLOADS)


TEXTS = {
    "name",
    "model",
    "provider",
    "error",
    "upstream_message",
    "target",
    "reason",
    "text",
    "message",
    "title",
    "last_error",
    "channel",
}
TEXTS |= {"project", "user", "tag", "end_user", "excerpt", "conversation", "id", "hint"}


def rows(example: Json) -> list[Json]:
    """Return a row with each payload in all its texts."""
    return [{name: replaced(name, value, payload) for name, value in example.items()} for payload in PAYLOADS]


def replaced(name: str, value: Any, payload: str) -> Any:
    return payload if name in TEXTS else value
