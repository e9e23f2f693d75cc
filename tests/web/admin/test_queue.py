"""Waiting requests and background responses are listed over the admin API."""

from tests.background.parts import RecordingQueue, first_events, new_job, no_write
from tests.web.api_client import ApiClient
from tidegate.background.job_store import JobStore
from tidegate.storage.postgres import Postgres


async def test_waiting_requests_are_listed(api_client: ApiClient) -> None:
    (lane,) = (await api_client.get("/queue"))["data"]
    assert (lane["name"], lane["rpm"], lane["tpm"], lane["waiting"]) == ("main/m", 60, None, 1)
    assert (lane["in_flight"], lane["paused_seconds"]) == (4, 0.0)
    assert lane["waiters"][0] == {
        "request_id": "req_1",
        "project": "shop",
        "priority": "high",
        "estimated_tokens": 9,
        "waited_seconds": 2.0,
        "estimated_wait_seconds": 1.0,
        "seconds_to_deadline": 3.0,
    }


async def test_background_responses_are_listed(api_client: ApiClient, postgres: Postgres) -> None:
    store = JobStore(postgres)
    for name in ("resp_1", "resp_2"):
        await store.add(
            new_job(name, now=100.0), first_events(name), RecordingQueue(), max_open=9, write_response=no_write
        )
    await store.start_attempt("resp_1", worker="p_7", now=101.0, write_started=no_write)
    jobs = (await api_client.get("/jobs"))["data"]
    assert [(job["response_id"], job["status"], job["worker"], job["started_at"]) for job in jobs] == [
        ("resp_1", "in_progress", "p_7", 101.0),
        ("resp_2", "queued", None, None),
    ]
    assert (await api_client.get("/jobs?project=bank"))["data"] == []
