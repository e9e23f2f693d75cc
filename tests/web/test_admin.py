"""The admin API is for admin keys, bounded, typed and described; every refusal is OpenAI's envelope."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest
import uvicorn
from fastapi import FastAPI

from tests.harness import Answer, Json, listening
from tests.metering.ledger_parts import entry
from tidegate.admission import key_format
from tidegate.admission.budget_report import BudgetReport
from tidegate.admission.budget_store import BudgetStore
from tidegate.admission.key_store import KeyStore
from tidegate.admission.keys import KeyRing
from tidegate.admission.lane_store import LaneShown, Waiting
from tidegate.admission.project_store import ProjectStore
from tidegate.admission.queue_report import QueueReport
from tidegate.connections.postgres import Postgres
from tidegate.connections.redis import RedisLink
from tidegate.core.clock import ManualClock
from tidegate.core.ids import new_id
from tidegate.core.values import Limits
from tidegate.metering.ledger import encode
from tidegate.metering.ledger_store import LedgerStore
from tidegate.metering.report import Reports
from tidegate.web.admin import MOST_BYTES, add_admin
from tidegate.web.admin_desks import KeyDesk, Overlook, ProjectDesk
from tidegate.web.api import create_api

MADE_UP = key_format.generate(b"\x07".__mul__)
NO_LIMITS = dict.fromkeys(("rpm", "rpd", "tpm", "concurrency", "budget_day_usd", "budget_month_usd"))


class OneLane:
    """A queue in which one call waits."""

    async def show(self, now: float, *, most: int) -> tuple[LaneShown, ...]:
        assert (now > 0, most > 0) == (True, True)
        waiting = Waiting(request="req_1", process="p1", flow="shop", weight=16, tokens=9, waited=2.0, left=3.0)
        return (LaneShown(name="main/m", rpm=60, tpm=0, waiting=1, unanswered=4, held_for=0.0, heads=(waiting,)),)


class Office:
    """The admin API behind a real socket, and an admin key."""

    def __init__(self, root: str, key: str, http: aiohttp.ClientSession, keys: KeyStore) -> None:
        self.root = root
        self.keys = keys
        self._key = key
        self._http = http

    async def ask(self, method: str, path: str, body: Json | bytes | None = None, key: str | None = None) -> Answer:
        """One request below `/admin/v1`, with the admin key or another."""
        headers = {"authorization": f"Bearer {key or self._key}", "content-type": "application/json"}
        data = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        async with self._http.request(method, f"{self.root}/admin/v1{path}", data=data, headers=headers) as response:
            return Answer(response.status, response.headers, await response.text())

    async def get(self, path: str) -> Json:
        """What a GET gives."""
        answer = await self.ask("GET", path)
        assert answer.status == 200, answer.text
        return answer.json

    async def make(self, **fields: Any) -> Json:
        """A new key."""
        answer = await self.ask("POST", "/keys", {"project": "shop", **fields})
        assert answer.status == 201, answer.text
        return answer.json


@pytest.fixture
async def office(postgres: Postgres, redis_link: RedisLink, redis_prefix: str) -> AsyncIterator[Office]:
    clock = ManualClock()
    keys = KeyStore(postgres, redis_link, clock=clock, prefix=redis_prefix)
    budgets = BudgetReport(postgres, BudgetStore(redis_link, prefix=redis_prefix), everybody=Limits(budget_day=10**9))
    ring = KeyRing(keys, clock)

    @contextlib.asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        await ring.start()
        add_admin(
            api,
            ring,
            keys=KeyDesk(keys, clock),
            projects=ProjectDesk(ProjectStore(postgres, redis_link, prefix=redis_prefix)),
            overlook=Overlook(
                budgets=budgets,
                queue=QueueReport(OneLane(), rpm=None, tpm=None),
                reports=Reports(postgres),
                clock=clock,
            ),
            ids=new_id,
        )
        yield
        await ring.close()

    admin = await keys.create(project="operators", admin=True)
    config = uvicorn.Config(create_api(lifespan, new_id), log_config=None, lifespan="on")
    async with listening(config) as root, aiohttp.ClientSession() as http:
        yield Office(root, admin.token, http, keys)


async def test_a_key_lives_from_its_making_to_its_end(office: Office) -> None:
    made = await office.make(name="web", limits={"rpm": 60, "budget_day_usd": "1.00"}, models=["gpt-5"])
    assert key_format.parse(made.pop("key"))
    assert made["limits"] == NO_LIMITS | {"rpm": 60, "budget_day_usd": "1.00"}
    assert await office.get(f"/keys/{made['id']}") == made

    changes = {"limits": {"rpm": None, "budget_month_usd": "0.000001"}, "priority": "high"}
    changed = await office.ask("PATCH", f"/keys/{made['id']}", changes)
    assert changed.json["limits"] == NO_LIMITS | {"budget_day_usd": "1.00", "budget_month_usd": "0.000001"}
    assert (changed.json["priority"], changed.json["name"], changed.json["models"]) == ("high", "web", ["gpt-5"])

    ended = await office.ask("DELETE", f"/keys/{made['id']}")
    assert (ended.status, ended.json["state"]) == (200, "revoked")


async def test_keys_are_listed_in_pages(office: Office) -> None:
    made = {(await office.make(project=project))["id"] for project in ("shop", "shop", "bank")}
    first = await office.get("/keys?limit=2&project=shop")
    assert (len(first["data"]), first["has_more"], first["last"]) == (2, False, None)
    page, seen = await office.get("/keys?limit=2"), set()
    seen |= {key["id"] for key in page["data"]}
    assert page["has_more"]
    page = await office.get(f"/keys?limit=2&after={page['last']}")
    seen |= {key["id"] for key in page["data"]}
    assert not page["has_more"]
    assert made < seen


async def test_a_projects_limits_and_its_end_users(office: Office) -> None:
    await office.make(project="shop/north")
    changes = {"limits": {"tpm": 5}, "user_limits": {"budget_day_usd": "0.10", "concurrency": 1}, "priority": "low"}
    changed = await office.ask("PATCH", "/projects/shop%2Fnorth", changes)
    assert changed.json["user_limits"] == NO_LIMITS | {"budget_day_usd": "0.10", "concurrency": 1}
    assert await office.get("/projects/shop/north") == changed.json
    page = await office.get("/projects?limit=1")
    assert ([project["name"] for project in page["data"]], page["has_more"]) == (["operators"], True)
    page = await office.get("/projects?limit=1&after=operators")
    assert ([project["name"] for project in page["data"]], page["has_more"]) == (["shop/north"], False)


async def test_budgets_queue_and_usage_are_shown(office: Office, postgres: Postgres) -> None:
    await office.make(limits={"budget_day_usd": "2.00"})
    budgets = await office.get("/budgets")
    assert [(line["kind"], line["period"], line["budget_usd"]) for line in budgets["data"]] == [
        ("all", "day", "1.00"),
        ("all", "month", None),
        ("key", "day", "2.00"),
    ]
    (lane,) = (await office.get("/queue"))["data"]
    assert (lane["name"], lane["rpm"], lane["tpm"], lane["waiting"]) == ("main/m", 60, None, 1)
    assert lane["waiters"][0] == {
        "request": "req_1",
        "project": "shop",
        "priority": "high",
        "tokens": 9,
        "waited": 2.0,
        "estimate": 1.0,
        "left": 3.0,
    }
    calls = [entry(number, at=1_789_999_999.0, model=f"m{number}", cost_nanos=number) for number in range(3)]
    await LedgerStore(postgres).write([encode(call) for call in calls])
    page = await office.get("/usage?by=model&limit=2")
    assert ([row["what"] for row in page["data"]], page["last"], page["total"]["calls"]) == (["m2", "m1"], "m1", 3)
    page = await office.get("/usage?by=model&limit=2&after=m1")
    assert ([row["cost_usd"] for row in page["data"]], page["has_more"]) == (["0.00"], False)
    assert (await office.get("/usage?until=2020-01-01T00:00:00Z"))["data"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
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
        ("POST", "/keys", b" " * (MOST_BYTES + 1), 413, "larger"),
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
    office: Office, method: str, path: str, body: Json | bytes | None, status: int, says: str
) -> None:
    before = len(await office.keys.list())
    answer = await office.ask(method, path, body)
    assert (answer.status, says in answer.error["message"]) == (status, True), answer.text
    assert answer.error["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"].startswith("req_")
    assert len(await office.keys.list()) == before


async def test_only_admin_keys_get_in(office: Office) -> None:
    ordinary = (await office.make())["key"]
    for path in ("/keys", "/projects", "/budgets", "/queue", "/usage", "/keys/x", "/projects/x"):
        refused = await office.ask("GET", path, key=ordinary)
        assert (refused.status, refused.headers["x-tidegate-error"]) == (403, "not_admin")
        assert (await office.ask("GET", path, key=MADE_UP)).status == 401
    refused = await office.ask("POST", "/keys", b"{", key=ordinary)
    assert refused.status == 403, "who may not ask is not told what is wrong with the question"


async def test_the_api_describes_itself(office: Office) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{office.root}/openapi.json") as response:
        described = await response.json()
    paths = described["paths"]
    assert {path for path in paths if path.startswith("/admin/")} == {
        f"/admin/v1/{path}"
        for path in ("keys", "keys/{key_id}", "projects", "projects/{name}", "budgets", "queue", "usage")
    }
    asked = paths["/admin/v1/keys"]["post"]
    assert asked["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/KeyAsked"}
    assert "KeyPage" in str(paths["/admin/v1/keys"]["get"]["responses"]["200"])
    assert asked["security"] == [{"HTTPBearer": []}]
    assert "limit" in {parameter["name"] for parameter in paths["/admin/v1/keys"]["get"]["parameters"]}


async def test_without_postgres_it_is_a_typed_503(office: Office, postgres: Postgres) -> None:
    await postgres.close()
    answer = await office.ask("GET", "/keys")
    assert (answer.status, answer.error["code"]) == (503, "postgres_unavailable")
