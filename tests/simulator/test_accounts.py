"""The simulator makes, lists and deletes service accounts for an admin key; a deleted one's key is refused."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tidegate.simulator import Options, running

ADMIN, FIRST = "sk-admin-0123456789", "sk-first-0123456789"
PROJECT = "/organization/projects/proj_simulator"


class Administration:
    """Calls the administration API, and the API with a key."""

    def __init__(self, http: aiohttp.ClientSession, base_url: str) -> None:
        self._http = http
        self._base_url = base_url

    async def call(self, method: str, path: str, body: Any = None, key: str = ADMIN) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {key}"}
        async with self._http.request(method, self._base_url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def create(self) -> Any:
        return (await self.call("POST", f"{PROJECT}/service_accounts", {"name": "tidegate"}))[1]

    async def accepts(self, key: str) -> bool:
        return (await self.call("GET", "/models", key=key))[0] == 200

    async def strike(self, **faults: int) -> None:
        async with self._http.post(f"{self._base_url}/simulator/admin_faults", json=faults) as answer:
            assert answer.status == 200


@pytest.fixture
async def api() -> AsyncIterator[Administration]:
    async with (
        running(Options(api_key=FIRST, admin_key=ADMIN)) as base_url,
        aiohttp.ClientSession() as http,
    ):
        yield Administration(http, base_url)


async def test_a_made_key_is_accepted_until_its_account_is_deleted(api: Administration) -> None:
    made = await api.create()
    key = made["api_key"]["value"]
    assert await api.accepts(key)
    assert (await api.call("DELETE", f"{PROJECT}/service_accounts/{made['id']}"))[1]["deleted"] is True
    assert not await api.accepts(key)
    assert await api.accepts(FIRST)
    assert not await api.accepts("sk-other")


async def test_keys_are_listed_redacted_with_their_last_use(api: Administration) -> None:
    made = await api.create()
    _, page = await api.call("GET", f"{PROJECT}/api_keys")
    first, second = page["data"]
    assert (first["redacted_value"], first["last_used_at"]) == ("sk-first...6789", None)
    assert second["owner"]["service_account"]["id"] == made["id"]
    await api.accepts(FIRST)
    _, seen = await api.call("GET", f"{PROJECT}/api_keys/{first['id']}")
    assert seen["last_used_at"] is not None
    _, accounts = await api.call("GET", f"{PROJECT}/service_accounts")
    assert [one["name"] for one in accounts["data"]] == ["first", "tidegate"]


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("GET", f"{PROJECT}/api_keys", FIRST, 401),
        ("GET", f"{PROJECT}/api_keys", "", 401),
        ("GET", "/organization/projects/proj_simulator/unknown", ADMIN, 404),
        ("DELETE", f"{PROJECT}/service_accounts/svc_acct_none", ADMIN, 404),
        ("DELETE", "/organization/projects/other/service_accounts/svc_acct_0000", ADMIN, 404),
        ("PUT", f"{PROJECT}/service_accounts", ADMIN, 405),
        ("POST", f"{PROJECT}/service_accounts", ADMIN, 400),
    ],
)
async def test_what_openai_refuses_is_refused(
    api: Administration, method: str, path: str, key: str, status: int
) -> None:
    assert (await api.call(method, path, key=key))[0] == status


@pytest.mark.parametrize(("fault", "status"), [("server_error", 500), ("project_archived", 400)])
async def test_a_fault_strikes_as_often_as_it_was_set(api: Administration, fault: str, status: int) -> None:
    await api.strike(**{fault: 1})
    assert (await api.call("GET", f"{PROJECT}/api_keys"))[0] == status
    assert (await api.call("GET", f"{PROJECT}/api_keys"))[0] == 200


async def test_keys_that_are_missing_or_dead_and_accounts_that_stay(api: Administration) -> None:
    await api.strike(no_key=1)
    assert (await api.create())["api_key"] is None
    await api.strike(dead_key=1)
    assert not await api.accepts((await api.create())["api_key"]["value"])
    await api.strike(not_deleted=1)
    assert (await api.call("DELETE", f"{PROJECT}/service_accounts/svc_acct_0000"))[1]["deleted"] is False
    assert await api.accepts(FIRST)


async def test_an_unknown_fault_is_refused(api: Administration) -> None:
    assert (await api.call("POST", "/simulator/admin_faults", {"slow": 1}))[0] == 400
