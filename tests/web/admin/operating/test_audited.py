"""Every admin route that acts, or gives out what callers said, writes an audit line; a new route does, too."""

import contextlib
from typing import Any

import msgspec
import pytest
from fastapi.routing import APIRoute

from tests.web.api_client import ApiClient
from tidegate.audit.store import AuditFilter, AuditStore
from tidegate.core.ids import new_id
from tidegate.core.process.call_memory import CallMemory
from tidegate.storage.postgres import Postgres
from tidegate.web.admin.operating.audited import action_of, is_recorded
from tidegate.web.admin.routes import AdminHandlers, admin_router

READINGS = {
    "/admin/v1/keys", "/admin/v1/keys/{key_id}", "/admin/v1/projects", "/admin/v1/projects/{name}", "/admin/v1/budgets",
    "/admin/v1/queue", "/admin/v1/jobs", "/admin/v1/usage", "/admin/v1/upstream", "/admin/v1/failures",
    "/admin/v1/alerts", "/admin/v1/audit", "/admin/v1/doctor", "/admin/v1/calls", "/admin/v1/calls/{call_id}",
}  # fmt: skip
"""The routes that are not recorded. One that is added here must give out nothing that callers said."""


def admin_routes() -> list[APIRoute]:
    """Return the routes of the admin API, with handlers that are never called."""
    handlers: Any = AdminHandlers(**{
        field.name: field.type.__new__(field.type) for field in msgspec.structs.fields(AdminHandlers)
    })  # fmt: skip
    unused: Any = None
    memory = CallMemory(1, wait_seconds=1.0)
    routes = admin_router(unused, handlers, audit=unused, ids=new_id, memory=memory).routes
    return [route for route in routes if isinstance(route, APIRoute)]


def test_only_the_listed_readings_are_not_recorded() -> None:
    assert {route.path_format for route in admin_routes() if not is_recorded(route)} == READINGS


def test_each_action_has_its_own_name() -> None:
    actions = [action_of(route) for route in admin_routes() if is_recorded(route)]
    assert len(actions) == len(set(actions)) == 20


async def test_every_recorded_route_writes_a_line(api_client: ApiClient, postgres: Postgres) -> None:
    store = AuditStore(postgres)
    for route in admin_routes():
        before = len(await store.read(AuditFilter()))
        method = next(iter(route.methods or ()))
        path = route.path_format.removeprefix("/admin/v1").replace("{", "").replace("}", "")
        with contextlib.suppress(AssertionError):
            await api_client.send(method, path, {} if method != "GET" else None)
        newest, *others = [*await store.read(AuditFilter()), None]
        assert len(others) - before == int(is_recorded(route)), path
        if is_recorded(route):
            assert newest is not None
            assert newest.act.action == action_of(route)


async def test_a_line_says_who_did_what_on_what_and_how_it_ended(api_client: ApiClient) -> None:
    made = await api_client.create_key(name="web", limits={"budget_day_usd": "5.00"})
    await api_client.send("DELETE", f"/keys/{made['id']}")
    await api_client.send("DELETE", "/keys/key_none")
    refused, revoked, created = (await api_client.get("/audit"))["data"]
    assert (created["action"], created["outcome"], created["result"]) == ("keys.create", "done", made["id"])
    assert created["parameters"] == {"limits.budget_day_usd": "5.00", "name": "web", "project": "shop"}
    assert (created["actor_kind"], created["actor"][:4], created["address"]) == ("key", "key_", "127.0.0.1")
    assert (revoked["action"], revoked["parameters"]) == ("keys.revoke", {"key_id": made["id"]})
    assert (refused["outcome"], refused["error"]) == ("refused", "api_key_not_found")


async def test_readings_of_conversations_are_lines_without_the_words(api_client: ApiClient) -> None:
    await api_client.send("GET", "/messages?words=my+divorce&end_user=ada")
    (line,) = (await api_client.get("/audit?action=conversations.search"))["data"]
    assert (line["reads_conversations"], line["parameters"]["words"]) == (True, "(not kept)")
    assert "divorce" not in str(line)
    assert "ada" not in str(line["parameters"])


async def test_a_secret_that_is_looked_for_is_not_in_the_line(api_client: ApiClient) -> None:
    made = await api_client.create_key()
    await api_client.send("POST", "/keys/find", {"key": made["key"]})
    (line,) = (await api_client.get("/audit?action=keys.find"))["data"]
    assert made["key"] not in str(line)


@pytest.mark.parametrize(
    ("query", "actions"),
    [
        ("?limit=1", ["keys.rotate"]),
        ("?action=keys.create", ["keys.create"]),
        ("?outcome=failed", []),
        ("?about=shop", ["keys.create"]),
        ("?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z", []),
    ],
)
async def test_lines_are_selected(api_client: ApiClient, query: str, actions: list[str]) -> None:
    made = await api_client.create_key()
    await api_client.send("POST", f"/keys/{made['id']}/rotate", {"overlap_seconds": 60})
    page = await api_client.get(f"/audit{query}")
    assert [line["action"] for line in page["data"]] == actions


async def test_a_request_without_an_admin_key_is_no_act(api_client: ApiClient) -> None:
    assert (await api_client.send("DELETE", "/keys/key_1", key="wrong")).status == 401
    assert (await api_client.get("/audit"))["data"] == []
