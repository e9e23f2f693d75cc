"""A run samples each item, grades it, and counts what passed; a cancelled one does not go on."""

from typing import Any

import msgspec

from tests.simulator.client import SimulatorClient, upstream
from tests.simulator.resources.asking import ask, expect_refusal, new_file
from tidegate.core.clock import ManualClock

_CRITERION = {
    "type": "string_check", "name": "c", "input": "{{sample.output_text}}", "reference": "{{item.tide}}",
    "operation": "ilike",
}  # fmt: skip


async def _eval(up: SimulatorClient) -> str:
    body = {"data_source_config": {"type": "custom", "item_schema": {}}, "testing_criteria": [_CRITERION]}
    return str((await ask(up, "POST", "/evals", body))[1]["id"])


def _source(**source: Any) -> dict[str, Any]:
    template = [{"role": "user", "content": "It is {{item.tide}}"}]
    return {"data_source": {
        "type": "completions", "model": "gpt-4o", "source": source,
        "input_messages": {"type": "template", "template": template},
    }}  # fmt: skip


async def test_a_run_asks_the_model_for_each_line_of_a_file() -> None:
    async with upstream() as up:
        lines = b"\n".join(msgspec.json.encode({"item": {"tide": tide}}) for tide in ("high", "low"))
        path = f"/evals/{await _eval(up)}/runs"
        _, run = await ask(up, "POST", path, _source(type="file_id", id=await new_file(up, lines, name="i.jsonl")))
        _, done = await ask(up, "GET", f"{path}/{run['id']}")
        _, items = await ask(up, "GET", f"{path}/{run['id']}/output_items?order=asc")
        stats = await up.stats()
    assert (done["status"], done["result_counts"]["passed"]) == ("completed", 2)
    assert "'It is high'" in items["data"][0]["sample"]["output"][0]["content"]
    assert done["per_model_usage"][0]["invocation_count"] == stats["calls"]["graders.model"] == 2


async def test_a_run_goes_on_with_the_time_and_can_be_cancelled() -> None:
    clock = ManualClock()
    async with upstream(clock, job_seconds=10.0) as up:
        path = f"/evals/{await _eval(up)}/runs"
        _, run = await ask(up, "POST", path, _source(type="file_content", content=[{"item": {}}]))
        assert run["status"] == "in_progress"
        assert (await ask(up, "POST", f"{path}/{run['id']}/cancel"))[1]["status"] == "canceled"
        clock.advance(11)
        _, found = await ask(up, "GET", f"{path}/{run['id']}")
        assert (found["status"], found["result_counts"]["total"]) == ("canceled", 0)


async def test_what_openai_refuses_is_refused() -> None:
    async with upstream() as up:
        path = f"/evals/{await _eval(up)}/runs"
        await expect_refusal(up, ("POST", path, {}, 400, "Missing required parameter: 'data_source'"))
        body = _source(type="file_id", id="file-x")
        await expect_refusal(up, ("POST", path, body, 404, "No such File object: file-x"))
        await expect_refusal(up, ("GET", path + "/evalrun_x", None, 404, "Run with id 'evalrun_x' not found."))
        await expect_refusal(up, ("GET", "/evals/eval_x/runs", None, 404, "Eval with id 'eval_x' not found."))
        body = _source(type="file_id", id=await new_file(up, b"{"))
        await expect_refusal(up, ("POST", path, body, 400, "must be JSON objects"))
