"""`tidegate queue` shows waiting requests with their wait times, and background responses."""

import json
import time

import pytest

from tests.background.parts import RecordingQueue, first_events, new_job, no_write
from tests.cli.conftest import Tidegate
from tidegate.background.job_store import JobStore
from tidegate.queue.messages import LaneLimits, Queued, QueueEntry
from tidegate.queue.store import CapacityStore
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

LANE = "openai/default/gpt-4o-mini"


@pytest.fixture
async def waiting(redis_link: RedisLink, redis_prefix: str) -> None:
    """Send requests of the shop until three of them wait in the real queue."""
    lanes = CapacityStore(redis_link, prefix=redis_prefix, lane_limits=lambda _: LaneLimits(rpm=60))
    now, queued = time.time(), 0
    await lanes.announce_process("p1", for_seconds=60, now=now)
    for number in range(500):
        ticket = QueueEntry(member=f"p1:req_{number}", tokens=9, flow="shop", weight=16, deadline=now + 900)
        queued += isinstance(await lanes.enter(LANE, ticket, now), Queued)
        if queued == 3:
            return
    pytest.fail("no request had to wait")


def test_no_request_waits_at_first(tidegate: Tidegate) -> None:
    assert tidegate("queue", "show").output == "No request is waiting.\n"
    assert json.loads(tidegate("queue", "show", "--json").output) == []


def test_without_redis_it_is_one_sentence(tidegate: Tidegate) -> None:
    result = tidegate("queue", "show", TIDEGATE_REDIS_URL="redis://127.0.0.1:1")
    assert (result.exit_code, result.stderr.startswith("Redis did not answer")) == (75, True)


@pytest.mark.usefixtures("waiting")
def test_waiting_requests_are_a_table(tidegate: Tidegate) -> None:
    shown = tidegate("queue", "show", "--limit", "2", TIDEGATE_UPSTREAM__RPM="60")
    assert shown.exit_code == 0, shown.output
    assert f"{LANE}: 3 waiting" in shown.output
    assert "60 requests/min, unknown tokens/min" in shown.output
    rows = [line.split() for line in shown.output.splitlines() if "req_" in line]
    assert [(row[0], row[1], row[2]) for row in rows] == [("1", "shop", "high"), ("2", "shop", "high")]


@pytest.mark.usefixtures("waiting")
def test_json_is_for_programs(tidegate: Tidegate) -> None:
    (lane,) = json.loads(tidegate("queue", "show", "--json", TIDEGATE_UPSTREAM__RPM="60").output)
    assert (lane["name"], lane["rpm"], lane["tpm"], lane["waiting"]) == (LANE, 60, None, 3)
    assert [waiter["estimated_wait_seconds"] for waiter in lane["waiters"]] == pytest.approx([1, 2, 3])
    assert 0 <= lane["waiters"][0]["waited_seconds"] < 60


@pytest.fixture
async def submitted(postgres: Postgres) -> None:
    """One queued background response, and one in progress."""
    store, now = JobStore(postgres), time.time()
    for name in ("resp_1", "resp_2"):
        await store.add(
            new_job(name, now=now), first_events(name), RecordingQueue(), max_open=9, write_response=no_write
        )
    await store.start_attempt("resp_1", worker="p_7", now=now, write_started=no_write)


def test_no_background_response_exists_at_first(tidegate: Tidegate) -> None:
    assert tidegate("queue", "jobs").output == "No background response is queued or in progress.\n"
    assert json.loads(tidegate("queue", "jobs", "--json").output) == []


@pytest.mark.usefixtures("submitted")
def test_background_responses_are_listed(tidegate: Tidegate) -> None:
    rows = [line.split() for line in tidegate("queue", "jobs").output.splitlines() if "resp_" in line]
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("resp_1", "shop", "in_progress"),
        ("resp_2", "shop", "queued"),
    ]
    assert "p_7" in rows[0]
    found = json.loads(tidegate("queue", "jobs", "--json", "--project", "shop").output)
    assert [(job["response_id"], job["worker"]) for job in found] == [("resp_1", "p_7"), ("resp_2", None)]
    assert json.loads(tidegate("queue", "jobs", "--json", "--project", "bank").output) == []
