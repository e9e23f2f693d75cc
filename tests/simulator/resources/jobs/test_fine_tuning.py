"""Fine-tuning jobs are made of good files, paused, resumed and cancelled, and their models can be used and deleted."""

import pytest

from tests.simulator.client import upstream
from tests.simulator.resources.asking import Refused, ask, expect_refusal, new_file
from tidegate.core.clock import ManualClock

EXAMPLES = b'{"messages": [{"role": "user", "content": "a"}]}\n' * 10
_JOBS = "/fine_tuning/jobs"


@pytest.mark.parametrize(
    "refused",
    [
        ("POST", _JOBS, {}, 400, "Missing required parameter: 'model'"),
        ("POST", _JOBS, {"model": "gpt-5", "training_file": "f"}, 400, "is not available for fine-tuning"),
        ("POST", _JOBS, {"model": "gpt-4.1", "training_file": "file-x"}, 404, "No such File object: file-x"),
        ("GET", _JOBS + "/ftjob-x", None, 404, "Could not find fine tune: ftjob-x"),
        ("POST", "/fine_tuning/checkpoints/ft:a/permissions", {"project_ids": []}, 400, "empty array"),
        ("DELETE", "/fine_tuning/checkpoints/ft:a/permissions/cp_x", None, 404, "Permission with id 'cp_x'"),
    ],
)
async def test_what_openai_refuses_is_refused(refused: Refused) -> None:
    async with upstream() as up:
        await expect_refusal(up, refused)


@pytest.mark.parametrize(
    ("content", "purpose", "message"),
    [
        (EXAMPLES, "user_data", "Invalid file purpose 'user_data'. Expected 'fine-tune'."),
        (b"{\n", "fine-tune", "Line 1 is not valid JSON."),
        (b'{"messages": []}\n' * 9, "fine-tune", "has 9 example(s), but must have at least 10 examples."),
    ],
)
async def test_a_file_that_cannot_be_trained_on_is_refused(content: bytes, purpose: str, message: str) -> None:
    async with upstream() as up:
        file_id = await new_file(up, content, name="e.jsonl", purpose=purpose)
        await expect_refusal(up, ("POST", _JOBS, {"model": "gpt-4.1", "training_file": file_id}, 400, message))


async def test_a_pause_stops_the_time() -> None:
    clock = ManualClock()
    async with upstream(clock, job_seconds=100.0) as up:
        file_id = await new_file(up, EXAMPLES, name="e.jsonl", purpose="fine-tune")
        _, job = await ask(up, "POST", _JOBS, {"model": "gpt-4.1", "training_file": file_id})
        path = f"{_JOBS}/{job['id']}"
        clock.advance(50)
        assert (await ask(up, "POST", path + "/pause"))[1]["status"] == "paused"
        await expect_refusal(up, ("POST", path + "/pause", None, 400, "is in status 'paused'"))
        clock.advance(1000)
        assert (await ask(up, "GET", path))[1]["status"] == "paused"
        assert (await ask(up, "POST", path + "/resume"))[1]["status"] == "queued"
        clock.advance(40)
        assert (await ask(up, "GET", path))[1]["status"] == "running"
        clock.advance(11)
        assert (await ask(up, "GET", path))[1]["status"] == "succeeded"
        await expect_refusal(up, ("POST", path + "/cancel", None, 400, "is in status 'succeeded'"))


async def test_a_fine_tuned_model_is_listed_used_priced_and_deleted() -> None:
    async with upstream() as up:
        file_id = await new_file(up, EXAMPLES, name="e.jsonl", purpose="fine-tune")
        _, job = await ask(up, "POST", _JOBS, {"model": "gpt-4.1-nano", "training_file": file_id})
        _, job = await ask(up, "GET", f"{_JOBS}/{job['id']}")
        model = job["fine_tuned_model"]
        costs = {call["route"]: call["cost_nanos"] for call in (await up.stats())["requests"]}
        assert costs["fine_tuning.job"] == job["trained_tokens"] * 1500 > 0
        assert (await ask(up, "GET", f"/models/{model}"))[1]["owned_by"] == "org-simulator"
        body = {"model": model, "messages": [{"role": "user", "content": "a"}]}
        assert (await ask(up, "POST", "/chat/completions", body))[0] == 200
        assert (await up.stats())["unpriced"] == 0
        assert (await ask(up, "DELETE", f"/models/{model}"))[1]["deleted"]
        assert (await ask(up, "GET", f"/models/{model}"))[0] == 404
