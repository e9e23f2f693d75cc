"""The rows of fine-tuning, graders and evals."""

from typing import Any

from openai import AsyncOpenAI

from tests.clients.sdk.methods import Made, Row

_GRADER: Any = {
    "type": "string_check", "name": "same", "operation": "eq", "input": "{{sample.output_text}}",
    "reference": "{{item.tide}}",
}  # fmt: skip
EXAMPLES = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n' * 10


def _slow(client: AsyncOpenAI) -> AsyncOpenAI:
    return client.with_options(default_headers={"x-simulate-job-seconds": "600"})


async def _job(client: AsyncOpenAI) -> str:
    file_id = await Made(client).file("fine-tune", "examples.jsonl", EXAMPLES)
    return (await client.fine_tuning.jobs.create(model="gpt-4o-mini-2024-07-18", training_file=file_id)).id


async def _jobs_create(client: AsyncOpenAI, made: Made) -> Any:
    file_id = await made.file("fine-tune", "examples.jsonl", EXAMPLES)
    job = await client.fine_tuning.jobs.create(model="gpt-4.1-mini", training_file=file_id, suffix="sea", seed=7)
    assert (job.status, job.model, job.training_file, job.seed) == ("validating_files", "gpt-4.1-mini", file_id, 7)
    return job


async def _jobs_retrieve(client: AsyncOpenAI, _: Made) -> Any:
    job = await client.fine_tuning.jobs.retrieve(await _job(client))
    assert job.status == "succeeded"
    assert (job.fine_tuned_model or "").startswith("ft:gpt-4o-mini-2024-07-18:")
    return job


async def _models_delete(client: AsyncOpenAI, _: Made) -> Any:
    job = await client.fine_tuning.jobs.retrieve(await _job(client))
    deleted = await client.models.delete(job.fine_tuned_model or "")
    assert (deleted.id, deleted.deleted) == (job.fine_tuned_model, True)
    return deleted


async def _jobs_list(client: AsyncOpenAI, _: Made) -> Any:
    job_id = await _job(client)
    page = await client.fine_tuning.jobs.list(limit=1)
    assert [job.id for job in page.data] == [job_id]
    return page


async def _jobs_cancel(client: AsyncOpenAI, _: Made) -> Any:
    job = await client.fine_tuning.jobs.cancel(await _job(_slow(client)))
    assert job.status == "cancelled"
    return job


async def _jobs_pause(client: AsyncOpenAI, _: Made) -> Any:
    job_id = await _job(_slow(client))
    job = await client.fine_tuning.jobs.pause(job_id)
    assert job.id == job_id


async def _jobs_resume(client: AsyncOpenAI, _: Made) -> Any:
    job_id = await _job(_slow(client))
    await client.fine_tuning.jobs.pause(job_id)
    job = await client.fine_tuning.jobs.resume(job_id)
    assert job.status == "queued"
    return job


async def _jobs_events(client: AsyncOpenAI, _: Made) -> Any:
    job_id = await _job(client)
    await client.fine_tuning.jobs.retrieve(job_id)
    page = await client.fine_tuning.jobs.list_events(job_id)
    assert page.data[0].message == "The job has successfully completed"
    return page


async def _checkpoints(client: AsyncOpenAI, _: Made) -> Any:
    job_id = await _job(client)
    page = await client.fine_tuning.jobs.checkpoints.list(job_id)
    assert [checkpoint.step_number for checkpoint in page.data] == [30, 20, 10]
    return page


async def _permission(client: AsyncOpenAI) -> str:
    page = await client.fine_tuning.checkpoints.permissions.create("ft:ckpt", project_ids=["proj_a"])
    return page.data[0].id


async def _permissions_create(client: AsyncOpenAI, _: Made) -> Any:
    page = await client.fine_tuning.checkpoints.permissions.create("ft:ckpt", project_ids=["proj_a", "proj_b"])
    assert [one.project_id for one in page.data] == ["proj_a", "proj_b"]
    return page


async def _permissions_retrieve(client: AsyncOpenAI, _: Made) -> Any:
    permission_id = await _permission(client)
    found = await client.fine_tuning.checkpoints.permissions.retrieve("ft:ckpt")
    assert permission_id in [one.id for one in found.data]
    return found


async def _permissions_list(client: AsyncOpenAI, _: Made) -> Any:
    permission_id = await _permission(client)
    page = await client.fine_tuning.checkpoints.permissions.list("ft:ckpt")
    assert permission_id in [one.id for one in page.data]
    return page


async def _permissions_delete(client: AsyncOpenAI, _: Made) -> Any:
    deleted = await client.fine_tuning.checkpoints.permissions.delete(
        await _permission(client), fine_tuned_model_checkpoint="ft:ckpt"
    )
    assert deleted.deleted
    return deleted


async def _graders_run(client: AsyncOpenAI, _: Made) -> Any:
    run = await client.fine_tuning.alpha.graders.run(grader=_GRADER, model_sample="high", item={"tide": "high"})
    assert run.reward == 1.0
    return run


async def _graders_validate(client: AsyncOpenAI, _: Made) -> Any:
    found = await client.fine_tuning.alpha.graders.validate(grader=_GRADER)
    assert found.grader is not None
    assert found.grader.name == "same"
    return found


async def _eval(client: AsyncOpenAI) -> str:
    source: Any = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
    made = await client.evals.create(name="tides", data_source_config=source, testing_criteria=[_GRADER])
    return made.id


async def _evals_create(client: AsyncOpenAI, _: Made) -> Any:
    source: Any = {"type": "custom", "item_schema": {"type": "object"}}
    made = await client.evals.create(name="tides", data_source_config=source, testing_criteria=[_GRADER])
    assert (made.name, made.testing_criteria[0].name) == ("tides", "same")
    return made


async def _evals_retrieve(client: AsyncOpenAI, _: Made) -> Any:
    eval_id = await _eval(client)
    found = await client.evals.retrieve(eval_id)
    assert found.id == eval_id
    return found


async def _evals_update(client: AsyncOpenAI, _: Made) -> Any:
    changed = await client.evals.update(await _eval(client), name="new")
    assert changed.name == "new"
    return changed


async def _evals_list(client: AsyncOpenAI, _: Made) -> Any:
    eval_id = await _eval(client)
    page = await client.evals.list(limit=1, order="desc")
    assert [one.id for one in page.data] == [eval_id]
    return page


async def _evals_delete(client: AsyncOpenAI, _: Made) -> Any:
    eval_id = await _eval(client)
    deleted = await client.evals.delete(eval_id)
    assert (deleted.deleted, deleted.eval_id) == (True, eval_id)
    return deleted


_ROWS_OF_DATA: Any = {
    "type": "jsonl",
    "source": {
        "type": "file_content",
        "content": [{"item": {"tide": tide}, "sample": {"output_text": "high"}} for tide in ("high", "low")],
    },
}


async def _run(client: AsyncOpenAI) -> tuple[str, str]:
    eval_id = await _eval(client)
    return eval_id, (await client.evals.runs.create(eval_id, data_source=_ROWS_OF_DATA)).id


async def _runs_create(client: AsyncOpenAI, _: Made) -> Any:
    source: Any = {
        "type": "completions", "model": "gpt-4o",
        "source": {"type": "file_content", "content": [{"item": {"tide": "a"}}]},
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{item.tide}}"}]},
    }  # fmt: skip
    eval_id = await _eval(client)
    sampled = await client.evals.runs.create(eval_id, data_source=source)
    done = await client.evals.runs.retrieve(sampled.id, eval_id=eval_id)
    assert done.per_model_usage[0].completion_tokens > 0
    return sampled


async def _runs_retrieve(client: AsyncOpenAI, _: Made) -> Any:
    eval_id, run_id = await _run(client)
    run = await client.evals.runs.retrieve(run_id, eval_id=eval_id)
    assert (run.status, run.result_counts.passed, run.result_counts.failed) == ("completed", 1, 1)
    return run


async def _runs_list(client: AsyncOpenAI, _: Made) -> Any:
    eval_id, run_id = await _run(client)
    page = await client.evals.runs.list(eval_id)
    assert [run.id for run in page.data] == [run_id]
    return page


async def _runs_cancel(client: AsyncOpenAI, _: Made) -> Any:
    slow = _slow(client)
    eval_id, run_id = await _run(slow)
    run = await client.evals.runs.cancel(run_id, eval_id=eval_id)
    assert run.status in ("canceled", "completed")
    return run


async def _runs_delete(client: AsyncOpenAI, _: Made) -> Any:
    eval_id, run_id = await _run(client)
    deleted = await client.evals.runs.delete(run_id, eval_id=eval_id)
    assert (deleted.deleted, deleted.run_id) == (True, run_id)
    return deleted


async def _items_list(client: AsyncOpenAI, _: Made) -> Any:
    eval_id, run_id = await _run(client)
    page = await client.evals.runs.output_items.list(run_id, eval_id=eval_id, status="fail")
    assert [item.datasource_item for item in page.data] == [{"tide": "low"}]
    return page


async def _items_retrieve(client: AsyncOpenAI, _: Made) -> Any:
    eval_id, run_id = await _run(client)
    page = await client.evals.runs.output_items.list(run_id, eval_id=eval_id)
    item = await client.evals.runs.output_items.retrieve(page.data[0].id, eval_id=eval_id, run_id=run_id)
    assert item.run_id == run_id
    return item


ROWS: dict[str, Row] = {
    "fine_tuning.jobs.create": _jobs_create,
    "fine_tuning.jobs.retrieve": _jobs_retrieve,
    "fine_tuning.jobs.list": _jobs_list,
    "models.delete": _models_delete,
    "fine_tuning.jobs.cancel": _jobs_cancel,
    "fine_tuning.jobs.pause": _jobs_pause,
    "fine_tuning.jobs.resume": _jobs_resume,
    "fine_tuning.jobs.list_events": _jobs_events,
    "fine_tuning.jobs.checkpoints.list": _checkpoints,
    "fine_tuning.checkpoints.permissions.create": _permissions_create,
    "fine_tuning.checkpoints.permissions.retrieve": _permissions_retrieve,
    "fine_tuning.checkpoints.permissions.list": _permissions_list,
    "fine_tuning.checkpoints.permissions.delete": _permissions_delete,
    "fine_tuning.alpha.graders.run": _graders_run,
    "fine_tuning.alpha.graders.validate": _graders_validate,
    "evals.create": _evals_create,
    "evals.retrieve": _evals_retrieve,
    "evals.update": _evals_update,
    "evals.list": _evals_list,
    "evals.delete": _evals_delete,
    "evals.runs.create": _runs_create,
    "evals.runs.retrieve": _runs_retrieve,
    "evals.runs.list": _runs_list,
    "evals.runs.cancel": _runs_cancel,
    "evals.runs.delete": _runs_delete,
    "evals.runs.output_items.list": _items_list,
    "evals.runs.output_items.retrieve": _items_retrieve,
}
