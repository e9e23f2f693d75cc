"""The dashboard's server on a whole gateway: sessions end with their key, forged requests fail, figures arrive."""

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.harness import Gateway, Json, World, ask

COOKIE = "tidegate_session"


class Page:
    """A browser's view of one gateway: its cookie and the text that changing requests name."""

    def __init__(self, gateway: Gateway, http: aiohttp.ClientSession) -> None:
        self.root = gateway.root
        self.http = http
        self.csrf = ""

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Json, Any]:
        """Return status, body and headers of an answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.request(method, self.root + path, json=body, headers=named) as answer:
            text = await answer.text()
            return answer.status, msgspec.json.decode(text) if text.startswith("{") else {}, answer.headers

    async def log_in(self, key: str) -> None:
        """Log in, and note the text that changing requests name."""
        status, body, _ = await self.send("POST", "/dashboard/session", {"key": key})
        assert status == 204, body
        self.csrf = (await self.send("GET", "/dashboard/session"))[1]["csrf"]

    async def change(self, method: str, path: str, body: Any = None) -> tuple[int, Json]:
        """Send a changing request as the page does."""
        status, answer, _ = await self.send(method, path, body, x_tidegate_csrf=self.csrf)
        return status, answer

    @contextlib.asynccontextmanager
    async def events(self, shown: str = "1h") -> AsyncIterator["AsyncIterator[tuple[str, Json]]"]:
        """Open the stream of events."""
        async with self.http.get(f"{self.root}/dashboard/events?range={shown}") as answer:
            assert answer.status == 200, await answer.text()
            yield _events(answer)


async def _events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Json]]:
    name = ""
    async for line in answer.content:
        text = line.decode().strip()
        if text.startswith("event: "):
            name = text.removeprefix("event: ")
        elif text.startswith("data: "):
            yield name, msgspec.json.decode(text.removeprefix("data: "))


@contextlib.asynccontextmanager
async def browser(gateway: Gateway) -> AsyncIterator[Page]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield Page(gateway, http)


@pytest.fixture
async def page(gateway: Gateway, world: World) -> AsyncIterator[Page]:
    admin = await world.keys.create(project="operators", name="ada", admin=True)
    async with browser(gateway) as opened:
        await opened.log_in(admin.token)
        yield opened


async def test_a_login_gives_a_session_for_the_admin_api(page: Page) -> None:
    status, session, headers = await page.send("GET", "/dashboard/session")
    assert (status, session["name"], session["kind"], headers["cache-control"]) == (200, "ada", "full", "no-store")
    assert (await page.send("GET", "/admin/v1/keys"))[0] == 200
    status, made = await page.change("POST", "/admin/v1/keys", {"project": "shop"})
    assert (status, made["key"][:6]) == (201, "sk-tg-")
    lines = (await page.send("GET", "/admin/v1/audit"))[1]["data"]
    assert [(line["action"], line["actor_name"]) for line in lines] == [
        ("keys.create", "ada"),
        ("dashboard.login", "ada"),
    ]


async def test_the_overview_shows_calls_money_and_stores(page: Page, gateway: Gateway) -> None:
    for _ in range(2):
        await gateway.chat(ask("When is low tide?"))
    async with page.events() as events:
        async for name, overview in events:
            assert name == "overview"
            if overview["calls"]["total"] == 2 and overview["stores"]["drain_lag_seconds"] == 0:
                break
    assert (overview["calls"]["answered"], overview["cache"]["hits"], overview["cache"]["hit_share"]) == (2, 1, 0.5)
    assert re.fullmatch(r"\d+\.\d{9}", overview["spend"]["today_usd"])
    assert overview["spend"]["today_usd"] == overview["spend"]["month_usd"] != "0.000000000"
    assert (overview["stores"]["redis"]["state"], overview["stores"]["postgresql"]["state"]) == ("ok", "ok")
    assert overview["latency"]["whole_ms"]["p95"] is not None
    assert [line["name"] for line in overview["alerts"]] == ["slow", "errors", "cost"]
    assert (overview["replicas"], len(overview["calls"]["series"]), overview["degraded"]) == (1, 60, [])


async def test_a_revoked_key_ends_its_session_and_its_pages(page: Page, world: World) -> None:
    other = await world.keys.create(project="operators", admin=True)
    (key_id,) = [key.id for key in await world.keys.list() if key.name == "ada"]
    async with page.events() as events:
        assert (await anext(events))[0] == "overview"
        async with page.http.delete(
            f"{page.root}/admin/v1/keys/{key_id}", headers={"authorization": f"Bearer {other.token}"}
        ) as revoked:
            assert revoked.status == 200
        names = [name async for name, _ in events]
    assert names[-1] == "gone"
    status, body, _ = await page.send("GET", "/admin/v1/keys")
    assert (status, body["error"]["code"]) == (401, "session_ended")


async def test_a_logout_ends_the_session_and_a_stolen_cookie_is_worth_nothing_then(page: Page) -> None:
    stolen = {cookie.key: cookie.value for cookie in page.http.cookie_jar}
    assert stolen[COOKIE]
    assert (await page.change("DELETE", "/dashboard/session"))[0] == 204
    async with aiohttp.ClientSession(cookies=stolen, cookie_jar=aiohttp.CookieJar(unsafe=True)) as thief:
        for path in ("/admin/v1/keys", "/dashboard/session", "/dashboard/events"):
            async with thief.get(page.root + path, headers={"cookie": f"{COOKIE}={stolen[COOKIE]}"}) as answer:
                assert answer.status == 401, path


async def test_forged_requests_change_nothing(page: Page, world: World) -> None:
    before = len(await world.keys.list())
    body = {"project": "evil"}
    for headers in (
        {},
        {"x_tidegate_csrf": "0" * 64},
        {"x_tidegate_csrf": page.csrf, "sec_fetch_site": "cross-site"},
        {"x_tidegate_csrf": page.csrf, "sec_fetch_site": "same-site"},
        {"x_tidegate_csrf": page.csrf, "origin": "https://evil.example"},
    ):
        status, answer, _ = await page.send("POST", "/admin/v1/keys", body, **headers)
        assert (status, answer["error"]["code"]) == (403, "forged_request"), headers
    for path in ("/admin/v1/keys", "/dashboard/session", "/dashboard/events"):
        assert (await page.send("GET", path, sec_fetch_site="cross-site"))[0] == 403, path
    status, _, _ = await page.send("POST", "/dashboard/session", {"key": "x"}, origin="https://evil.example")
    assert (status, len(await world.keys.list())) == (403, before)


async def test_a_callers_key_and_wrong_keys_open_nothing_and_are_recorded(page: Page, world: World) -> None:
    caller = await world.make_key()
    for key, expected in ((caller.token, 403), ("sk-tg-wrong", 401), ("", 401)):
        status, _, headers = await page.send("POST", "/dashboard/session", {"key": key})
        assert (status, "set-cookie" in headers) == (expected, False)
    for malformed in ({"key": 3}, ["key"], {}):
        assert (await page.send("POST", "/dashboard/session", malformed))[0] == 400
    for _ in range(2):
        await page.send("POST", "/dashboard/session", {"key": "wrong"})
    status, body, headers = await page.send("POST", "/dashboard/session", {"key": "wrong"})
    assert (status, body["error"]["code"], headers["retry-after"]) == (429, "too_many_logins", "60")
    lines = (await page.send("GET", "/admin/v1/audit?action=dashboard"))[1]["data"]
    assert [(line["outcome"], line["actor"][:7]) for line in lines[:5]] == [("refused", "unknown")] * 5


async def test_a_read_only_session_sees_and_changes_nothing(gateway: Gateway, world: World) -> None:
    key = await world.keys.create(project="operators", admin=True, read_only=True)
    async with browser(gateway) as page:
        await page.log_in(key.token)
        assert (await page.send("GET", "/dashboard/session"))[1]["kind"] == "read_only"
        assert (await page.send("GET", "/admin/v1/upstream"))[0] == 200
        status, answer = await page.change("POST", "/admin/v1/keys", {"project": "shop"})
        assert (status, answer["error"]["code"]) == (403, "read_only")
    headers = {"authorization": f"Bearer {key.token}"}
    async with world.http.delete(f"{gateway.root}/v1/models/ft:1", headers=headers) as refused:
        assert refused.status == 403
    async with world.http.get(f"{gateway.root}/metrics", headers=headers) as metrics:
        assert metrics.status == 200


async def test_the_cookie_is_for_https_except_on_the_loopback(gateway: Gateway, world: World) -> None:
    key = await world.keys.create(project="operators", admin=True)
    async with browser(gateway) as page:
        for host, is_secure in (("127.0.0.1:80", False), ("localhost", False), ("gateway.example", True)):
            _, _, headers = await page.send("POST", "/dashboard/session", {"key": key.token}, host=host)
            cookie = headers["set-cookie"].lower()
            assert ("secure" in cookie, "httponly" in cookie, "samesite=strict" in cookie) == (is_secure, True, True)
            assert "path=/;" in cookie
            assert 12 * 3600 - 60 <= int(re.findall(r"max-age=(\d+)", cookie)[0]) <= 12 * 3600


async def test_pages_are_bounded_and_the_computation_is_shared(world: World) -> None:
    key = await world.keys.create(project="operators", admin=True)
    async with world.gateway(dashboard={"max_pages": 2}) as gateway, browser(gateway) as page:
        await page.log_in(key.token)
        assert (await page.send("GET", "/dashboard/events?range=2h"))[0] == 400
        async with page.events() as first, page.events("30d") as second:
            assert (await anext(first))[1]["range"] == "1h"
            assert (await anext(second))[1]["range"] == "30d"
            status, body, _ = await page.send("GET", "/dashboard/events")
            assert (status, body["error"]["code"]) == (429, "too_many_pages")


async def test_without_a_dashboard_its_addresses_are_unknown(world: World) -> None:
    key = await world.keys.create(project="operators", admin=True)
    async with world.gateway(dashboard={"enabled": False}) as gateway, browser(gateway) as page:
        for path in ("/dashboard", "/dashboard/session", "/dashboard/events", "/dashboard/files/main.js"):
            status, body, _ = await page.send("GET", path)
            assert (status, body["error"]["code"]) == (404, "unknown_url"), path
        assert (await page.send("POST", "/dashboard/session", {"key": key.token}))[0] == 404
        assert (await page.send("GET", "/admin/v1/keys", cookie=f"{COOKIE}=x"))[0] == 401


async def test_a_model_name_of_10_kb_is_shown_bounded_and_as_text(page: Page, gateway: Gateway) -> None:
    name = "<img src=x onerror=alert(1)>" + "m" * 10_000
    await gateway.chat({**ask("hello"), "model": name})
    async with page.events() as events:
        async for _, overview in events:
            if overview["calls"]["errors"]:
                break
    text = str(overview)
    assert "m" * 1000 not in text
    assert len(text) < 20_000
