"""The admin API is for admin keys, bounded, typed and described; every refusal is OpenAI's envelope."""

import random

import aiohttp
import pytest

from tests.harness import Json
from tests.web.api_client import ApiClient
from tidegate.auth import key_format
from tidegate.storage.postgres import Postgres
from tidegate.web.admin.routes import MAX_BODY_BYTES

UNKNOWN_KEY = key_format.generate(b"\x07".__mul__)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("POST", "/keys", {"project": "a", "limit": {}}, 400, "'limit'; did you mean limits?"),
        ("POST", "/keys", {"project": "a", "limits": {"rmp": 1}}, 400, "'limits.rmp'; did you mean rpm?"),
        ("POST", "/keys", {"project": "a", "limits": {"budget_day_usd": 1.5}}, 400, "limits.budget_day_usd"),
        ("POST", "/keys", {"project": "a", "limits": {"budget_day_usd": "$1"}}, 400, "write it like"),
        ("POST", "/keys", {"project": "a", "limits": {"rpm": -1}}, 400, "limits.rpm"),
        ("POST", "/keys", {"project": "a", "limits": {"rpm": 2**31}}, 400, "limits.rpm"),
        ("POST", "/keys", {"project": "a", "limits": {"rpm": "60"}}, 400, "limits.rpm"),
        ("POST", "/keys", {"project": "a", "priority": "urgent"}, 400, "priority"),
        ("POST", "/keys", {"project": "a\x00"}, 400, "printable"),
        ("POST", "/keys", b'{"project": "\\ud800"}', 400, "project"),
        ("POST", "/keys", {"name": "a"}, 400, "project"),
        ("POST", "/keys", None, 400, "body"),
        ("POST", "/keys", b"{", 400, "JSON"),
        ("POST", "/keys", b"[]", 400, "body"),
        ("POST", "/keys", b"\xff\xfe", 400, "JSON"),
        ("POST", "/keys", b"\x80{}", 400, "JSON"),
        ("POST", "/keys", b"[" * 5000, 400, "JSON"),
        ("POST", "/keys", b'{"limits": {"rpm": ' + b"9" * 5000 + b"}}", 400, "JSON"),
        ("PATCH", "/keys/key_unknown", b"\xff", 400, "JSON"),
        ("PATCH", "/projects/nobody", b"\xff", 400, "JSON"),
        ("POST", "/users/forget", b"\xff", 400, "JSON"),
        ("POST", "/keys", b" " * (MAX_BODY_BYTES + 1), 413, "larger"),
        ("GET", "/keys/key_unknown", None, 404, "no key"),
        ("PATCH", "/keys/key_unknown", {"name": "a"}, 404, "no key"),
        ("DELETE", "/keys/key_unknown", None, 404, "no key"),
        ("DELETE", "/keys/%00", None, 400, "printable"),
        ("GET", "/projects/nobody", None, 404, "no project"),
        ("PATCH", "/projects/nobody", {"priority": "low"}, 404, "no project"),
        ("GET", "/keys?limt=3", None, 400, "'limt'; did you mean limit?"),
        ("GET", "/keys?limit=1001", None, 400, "limit"),
        ("GET", "/keys?limit=0", None, 400, "limit"),
        ("GET", "/usage?by=moon", None, 400, "by"),
        ("GET", "/usage?since=yesterday", None, 400, "since"),
        ("GET", "/nothing", None, 404, "Invalid URL"),
        ("PUT", "/keys", {}, 405, "Not allowed"),
    ],
)
async def test_a_mistake_is_named_in_openais_envelope(
    api_client: ApiClient, method: str, path: str, body: Json | bytes | None, status: int, message: str
) -> None:
    before = len(await api_client.keys.list())
    answer = await api_client.send(method, path, body)
    assert (answer.status, message in answer.error["message"]) == (status, True), answer.text
    assert answer.error["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"].startswith("req_")
    assert len(await api_client.keys.list()) == before


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/keys"), ("PATCH", "/keys/key_1"), ("PATCH", "/projects/shop"), ("POST", "/users/forget")],
)
async def test_random_bytes_are_a_bad_request_on_every_route(api_client: ApiClient, method: str, path: str) -> None:
    draw = random.Random(10)  # noqa: S311  # the same cases each time
    for body in (draw.randbytes(draw.randint(1, 40)) for _ in range(100)):
        answer = await api_client.send(method, path, body)
        assert (answer.status, answer.error["type"]) == (400, "invalid_request_error"), (body, answer.text)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/keys", "GET, HEAD, POST"), ("/keys/key_1", "DELETE, GET, HEAD, PATCH"), ("/budgets", "GET, HEAD")],
)
async def test_who_uses_another_method_is_told_which_there_are(api_client: ApiClient, path: str, allowed: str) -> None:
    answer = await api_client.send("PUT", path)
    assert (answer.status, answer.headers["allow"]) == (405, allowed)


async def test_only_admin_keys_get_in(api_client: ApiClient) -> None:
    ordinary = (await api_client.create_key())["key"]
    for path in (
        "/keys",
        "/projects",
        "/budgets",
        "/queue",
        "/usage",
        "/calls",
        "/calls/x",
        "/keys/x",
        "/projects/x",
        "/messages",
        "/export",
    ):
        refused = await api_client.send("GET", path, key=ordinary)
        assert (refused.status, refused.headers["x-tidegate-error"]) == (403, "admin_key_required")
        assert (await api_client.send("GET", path, key=UNKNOWN_KEY)).status == 401
    refused = await api_client.send("POST", "/keys", b"{", key=ordinary)
    assert refused.status == 403, "who may not ask is not told what is wrong with the question"


async def test_the_api_describes_itself(api_client: ApiClient) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{api_client.root}/openapi.json") as response:
        described = await response.json()
    paths = described["paths"]
    listed = (
        "keys",
        "keys/{key_id}",
        "keys/{key_id}/rotate",
        "keys/{key_id}/rotate/finish",
        "keys/{key_id}/rotate/undo",
        "keys/find",
        "projects",
        "projects/{name}",
        "budgets",
        "budgets/tags",
        "cache/purge",
        "queue",
        "jobs",
        "usage",
        "calls",
        "calls/{call_id}",
        "conversations",
        "conversations/{conversation_id}",
    )
    acts = [f"upstream/credentials/{{provider}}/{{credential}}/{act}" for act in ("suspend", "resume")]
    acts += ["alerts", *(f"alerts/{act}" for act in ("test", "mute", "unmute"))]
    rest = ("upstream", "failures", "messages", "export", "users/forget", "audit", "doctor")
    admin = {path for path in paths if path.startswith("/admin/")}
    assert admin == {f"/admin/v1/{path}" for path in (*listed, *acts, *rest)}
    creation = paths["/admin/v1/keys"]["post"]
    assert creation["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/NewKeyRequest"
    }
    assert "KeyPage" in str(paths["/admin/v1/keys"]["get"]["responses"]["200"])
    assert creation["security"] == [{"AdminKey": []}]
    assert "limit" in {parameter["name"] for parameter in paths["/admin/v1/keys"]["get"]["parameters"]}
    described_acts = [act for path in admin for act in paths[path].values()]
    assert {code for act in described_acts for code in act["responses"]} == {"200", "201", "4XX", "5XX"}
    assert all("ErrorSchema" in str(act["responses"]["4XX"]) for act in described_acts)
    assert len({act["summary"] for act in described_acts}) == len(described_acts)
    exported = paths["/admin/v1/export"]["get"]["responses"]
    kinds = {code: list(answer["content"]) for code, answer in exported.items()}
    assert kinds == {"200": ["application/jsonl"], "4XX": ["application/json"], "5XX": ["application/json"]}


async def test_without_postgres_it_is_a_typed_503(api_client: ApiClient, postgres: Postgres) -> None:
    await postgres.close()
    answer = await api_client.send("GET", "/keys")
    assert (answer.status, answer.error["code"]) == (503, "postgres_unavailable")
