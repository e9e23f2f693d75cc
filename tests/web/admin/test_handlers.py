"""Keys, projects, budgets, queue and usage, as an operator meets them over HTTP."""

from tests.background.parts import RecordingQueue, first_events, new_job, no_write
from tests.metering.ledger_parts import entry
from tests.web.office import NO_LIMITS, ApiClient
from tidegate.auth import key_format
from tidegate.background.job_store import JobStore
from tidegate.metering.ledger.entries import encode
from tidegate.metering.ledger.store import LedgerStore
from tidegate.storage.postgres import Postgres


async def test_a_key_lives_from_its_making_to_its_end(office: ApiClient) -> None:
    made = await office.create_key(name="web", limits={"rpm": 60, "budget_day_usd": "1.00"}, models=["gpt-5"])
    assert key_format.parse(made.pop("key"))
    assert made["limits"] == NO_LIMITS | {"rpm": 60, "budget_day_usd": "1.00"}
    assert await office.get(f"/keys/{made['id']}") == made

    changes = {"limits": {"rpm": None, "budget_month_usd": "0.000001"}, "priority": "high"}
    changed = await office.send("PATCH", f"/keys/{made['id']}", changes)
    assert changed.json["limits"] == NO_LIMITS | {"budget_day_usd": "1.00", "budget_month_usd": "0.000001"}
    assert (changed.json["priority"], changed.json["name"], changed.json["models"]) == ("high", "web", ["gpt-5"])

    ended = await office.send("DELETE", f"/keys/{made['id']}")
    assert (ended.status, ended.json["state"]) == (200, "revoked")


async def test_keys_are_listed_in_pages(office: ApiClient) -> None:
    made = {(await office.create_key(project=project))["id"] for project in ("shop", "shop", "bank")}
    first = await office.get("/keys?limit=2&project=shop")
    assert (len(first["data"]), first["has_more"], first["last"]) == (2, False, None)
    page, seen = await office.get("/keys?limit=2"), set()
    seen |= {key["id"] for key in page["data"]}
    assert page["has_more"]
    page = await office.get(f"/keys?limit=2&after={page['last']}")
    seen |= {key["id"] for key in page["data"]}
    assert not page["has_more"]
    assert made < seen


async def test_a_projects_limits_and_its_end_users(office: ApiClient) -> None:
    await office.create_key(project="shop/north")
    changes = {"limits": {"tpm": 5}, "user_limits": {"budget_day_usd": "0.10", "concurrency": 1}, "priority": "low"}
    changed = await office.send("PATCH", "/projects/shop%2Fnorth", changes)
    assert changed.json["user_limits"] == NO_LIMITS | {"budget_day_usd": "0.10", "concurrency": 1}
    assert await office.get("/projects/shop/north") == changed.json
    page = await office.get("/projects?limit=1")
    assert ([project["name"] for project in page["data"]], page["has_more"]) == (["operators"], True)
    page = await office.get("/projects?limit=1&after=operators")
    assert ([project["name"] for project in page["data"]], page["has_more"]) == (["shop/north"], False)


async def test_background_responses_are_shown(office: ApiClient, postgres: Postgres) -> None:
    store = JobStore(postgres)
    for name in ("resp_1", "resp_2"):
        await store.add(
            new_job(name, now=100.0), first_events(name), RecordingQueue(), max_open=9, write_response=no_write
        )
    await store.start_attempt("resp_1", worker="p_7", now=101.0, write_started=no_write)
    jobs = (await office.get("/jobs"))["data"]
    assert [(job["response_id"], job["status"], job["worker"], job["started_at"]) for job in jobs] == [
        ("resp_1", "in_progress", "p_7", 101.0),
        ("resp_2", "queued", None, None),
    ]
    assert (await office.get("/jobs?project=bank"))["data"] == []


async def test_budgets_queue_and_usage_are_shown(office: ApiClient, postgres: Postgres) -> None:
    await office.create_key(limits={"budget_day_usd": "2.00"})
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
