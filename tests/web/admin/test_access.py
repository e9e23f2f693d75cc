"""A read-only admin key reads everything and changes nothing, over every route of the admin API."""

import aiohttp
import pytest

from tests.web.admin.operating.test_audited import admin_routes
from tests.web.api_client import ApiClient
from tidegate.core.errors import InvalidParameter
from tidegate.web.admin.routes import may_change


async def read_only(api_client: ApiClient) -> str:
    return (await api_client.keys.create(project="operators", admin=True, read_only=True)).token


async def test_each_route_that_is_no_reading_refuses_a_read_only_key(api_client: ApiClient) -> None:
    key = await read_only(api_client)
    answers = {}
    for route in admin_routes():
        method = next(iter(route.methods or ()))
        path = route.path_format.removeprefix("/admin/v1").replace("{", "").replace("}", "")
        answer = await api_client.send(method, path, None if method == "GET" else {}, key)
        answers[method, path] = answer.headers.get("x-tidegate-error") == "read_only"
        assert answers[method, path] is may_change(route) is (method != "GET"), (method, path, answer.text)
    assert sum(answers.values()) == 16, "a new route that changes something is refused, too; count it here"


async def test_a_refused_change_has_not_happened(api_client: ApiClient) -> None:
    made = await api_client.create_key()
    key = await read_only(api_client)
    refused = await api_client.send("DELETE", f"/keys/{made['id']}", None, key)
    assert (refused.status, refused.error["code"]) == (403, "read_only")
    assert (await api_client.get(f"/keys/{made['id']}"))["state"] == "active"


async def test_a_read_only_key_is_made_over_http_and_shown_as_such(api_client: ApiClient) -> None:
    made = await api_client.create_key(admin=True, read_only=True)
    assert (made["admin"], made["read_only"]) == (True, True)
    rotated = (await api_client.send("POST", f"/keys/{made['id']}/rotate", {"overlap_seconds": 0})).json
    assert rotated["read_only"] is True
    refused = await api_client.send("POST", "/keys", {"project": "shop", "read_only": True})
    assert (refused.status, "Only an admin key" in refused.error["message"]) == (400, True)
    with pytest.raises(InvalidParameter):
        await api_client.keys.create(project="shop", read_only=True)


async def test_without_a_session_a_cookie_opens_nothing(api_client: ApiClient) -> None:
    headers = {"cookie": "tidegate_session=anything"}
    async with aiohttp.ClientSession() as http, http.get(f"{api_client.root}/admin/v1/keys", headers=headers) as answer:
        assert answer.status == 401
