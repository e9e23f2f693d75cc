"""Runs of evals: `/v1/evals/{eval_id}/runs`. They sample with the simulator's own inference, and grade."""

from typing import Any

import msgspec

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.checks.shapes import Object, Tagged, Text
from tidegate.simulator.checks.shared_parameters import COMMON
from tidegate.simulator.refusal import invalid
from tidegate.simulator.resources import paging
from tidegate.simulator.resources.calls import ResourceAnswer, ResourceCall, ResourceRoute, answer, object_not_found
from tidegate.simulator.resources.jobs.evals import EVALS
from tidegate.simulator.resources.jobs.graders import asked
from tidegate.simulator.resources.jobs.grading import Grading, filled, grade
from tidegate.simulator.resources.objects import StoredKind
from tidegate.simulator.resources.organization import Record
from tidegate.simulator.resources.stored.files import find_file

_MOST_ITEMS = 1000
_ENDED = ("completed", "failed", "canceled")
_WITH_SOURCE = Object(fields={"source": Object(required=("type",))}, required=("source",))
_NEW = Object(
    fields={
        "name": Text(),
        "metadata": COMMON["metadata"],
        "data_source": Tagged(kinds=dict.fromkeys(("jsonl", "completions", "responses"), _WITH_SOURCE)),
    },
    required=("data_source",),
    others=False,
)
_NO_ERROR = {"code": "", "message": ""}


def _make(call: ResourceCall, fields: Json, run_id: str) -> Json:
    source = fields["data_source"]
    _items(call, source)  # a file that does not exist is refused at once
    return {
        "object": "eval.run", "id": run_id, "eval_id": call.parameters["eval_id"], "status": "queued",
        "model": source.get("model") or "", "name": fields.get("name") or "", "created_at": int(call.now),
        "report_url": f"https://platform.openai.com/evaluations/{call.parameters['eval_id']}?run_id={run_id}",
        "result_counts": {"total": 0, "errored": 0, "failed": 0, "passed": 0}, "per_model_usage": [],
        "per_testing_criteria_results": [], "data_source": source, "metadata": fields.get("metadata") or {},
        "error": _NO_ERROR,
    }  # fmt: skip


def _view(call: ResourceCall, record: Record) -> Json:
    if record.body["status"] not in _ENDED:
        if record.share(call.now) >= 1:
            _complete(call, record)
        else:
            record.body["status"] = "in_progress"
    return record.body


_RUNS = StoredKind(
    label="evals.runs", path="/evals/{eval_id}/runs", parameter="run_id", name="Run", prefix="evalrun_", make=_make,
    view=_view, shape=_NEW, parent=EVALS, pages=paging.OLDEST_FIRST,
)  # fmt: skip


def _items(call: ResourceCall, data_source: Json) -> list[Json]:
    """Return the items of a run. Raises Refusal for a file that does not exist, or whose lines are no items."""
    source = data_source["source"]
    if source["type"] == "file_id":
        content = find_file(call.organization, str(source.get("id")), now=call.now, param="data_source").content
        lines = [line for line in bytes(content).split(b"\n") if line.strip()]
        try:
            rows: list[Any] = [msgspec.json.decode(line) for line in lines[:_MOST_ITEMS]]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise invalid("The file's lines must be JSON objects.", param="data_source") from error
    else:
        rows = (source.get("content") or [])[:_MOST_ITEMS]
    return [row if isinstance(row, dict) and "item" in row else {"item": row} for row in rows]


def _complete(call: ResourceCall, record: Record) -> None:
    criteria = EVALS.find(call, record.body["eval_id"]).body["testing_criteria"]
    items = call.organization.collection("evals.output_items", record.id)
    tallies: dict[str, dict[str, int]] = {one["id"]: {"passed": 0, "failed": 0} for one in criteria}
    usage: dict[str, Json] = {}
    for number, row in enumerate(_items(call, record.body["data_source"])):
        body = _output_item(call, record, row, number)
        sample = body["sample"]["output"][0]["content"] if body["sample"]["output"] else ""
        values = {"item": row["item"], "sample": {"output_text": sample, **(row.get("sample") or {})}}
        for one in criteria:
            found = grade(one, Grading(values=values, ask=lambda wanted: asked(call, wanted)))
            tallies[one["id"]]["passed" if found.passed else "failed"] += 1
            result = {"name": one["name"], "passed": found.passed, "score": found.score, "type": one["type"]}
            body["results"].append(result)
        body["status"] = "pass" if all(result["passed"] for result in body["results"]) else "fail"
        items.add(Record(id=body["id"], body=body))
        _add_usage(usage, body["sample"])
    states = [item.body["status"] for item in items]
    counts = {"total": len(states), "errored": 0, "passed": states.count("pass"), "failed": states.count("fail")}
    record.body.update(
        status="completed", result_counts=counts, per_model_usage=list(usage.values()),
        per_testing_criteria_results=[{"testing_criteria": name, **tally} for name, tally in tallies.items()],
    )  # fmt: skip


def _output_item(call: ResourceCall, record: Record, row: Json, number: int) -> Json:
    return {
        "object": "eval.run.output_item", "id": f"outputitem_{record.id[8:]}_{number}", "run_id": record.id,
        "eval_id": record.body["eval_id"], "created_at": int(call.now), "status": "", "datasource_item_id": number,
        "datasource_item": row["item"], "results": [], "sample": _sample(call, record.body["data_source"], row),
    }  # fmt: skip


def _sample(call: ResourceCall, source: Json, row: Json) -> Json:
    """Return what the model answers to an item; nothing where the data has its samples already."""
    empty = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "cached_tokens": 0}
    sample: Json = {
        "input": [], "output": [], "finish_reason": "stop", "model": source.get("model") or "", "usage": empty,
        "error": _NO_ERROR, "temperature": 1.0, "max_completion_tokens": 0, "top_p": 1.0, "seed": 0,
    }  # fmt: skip
    template = (source.get("input_messages") or {}).get("template") or ()
    if source["type"] == "jsonl" or not template:
        return sample
    messages = [
        {"role": one.get("role", "user"), "content": filled(one.get("content"), {"item": row["item"]})}
        for one in template
        if isinstance(one, dict)
    ]
    sample["input"] = messages
    found = asked(call, {"model": source.get("model") or "gpt-4o", "messages": messages})
    if found.status != 200:
        return {**sample, "error": {"code": "error", "message": found.body["error"]["message"]}}
    choice = found.body["choices"][0]
    tokens = {
        "prompt_tokens": found.usage.input, "completion_tokens": found.usage.output,
        "total_tokens": found.usage.input + found.usage.output, "cached_tokens": found.usage.cached,
    }  # fmt: skip
    output = [{"role": "assistant", "content": choice["message"]["content"]}]
    return {**sample, "output": output, "model": found.model, "finish_reason": choice["finish_reason"], "usage": tokens}


def _add_usage(usage: dict[str, Json], sample: Json) -> None:
    if not sample["output"]:
        return
    none: Json = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens"), 0)
    one = usage.setdefault(sample["model"], {"model_name": sample["model"], "invocation_count": 0, **none})
    one["invocation_count"] += 1
    for name in none:
        one[name] += sample["usage"][name]


def _cancel(call: ResourceCall) -> ResourceAnswer:
    record = _RUNS.find(call)
    if _view(call, record)["status"] not in _ENDED:
        record.body["status"] = "canceled"
    return answer(record.body)


def _delete(call: ResourceCall) -> ResourceAnswer:
    run_id = call.parameters["run_id"]
    _RUNS.delete(call)
    return answer({"object": "eval.run.deleted", "deleted": True, "run_id": run_id})


def _list_items(call: ResourceCall) -> ResourceAnswer:
    record = _RUNS.find(call)
    _view(call, record)
    wanted = call.query.get("status")
    found = call.organization.collection("evals.output_items", record.id)
    keep = {"pass": "pass", "fail": "fail"}.get(wanted or "")
    return answer(
        paging.page(
            found, call.query, keep=lambda item: keep in (None, item.body["status"]), bounds=paging.OLDEST_FIRST
        )
    )


def _retrieve_item(call: ResourceCall) -> ResourceAnswer:
    record, item_id = _RUNS.find(call), call.parameters["output_item_id"]
    _view(call, record)
    item = call.organization.collection("evals.output_items", record.id).find(item_id)
    if item is None:
        raise object_not_found("Output item", item_id)
    return answer(item.body)


_RUN = "/evals/{eval_id}/runs/{run_id}"
ROUTES: tuple[ResourceRoute, ...] = (
    *_RUNS.routes("create", "list", "retrieve", delete=_delete),
    ResourceRoute(label="evals.runs.cancel", method="POST", path=_RUN, handler=_cancel),
    ResourceRoute(label="evals.runs.cancel_at_path", method="POST", path=_RUN + "/cancel", handler=_cancel),
    ResourceRoute(label="evals.runs.output_items.list", method="GET", path=_RUN + "/output_items", handler=_list_items),
    ResourceRoute(
        label="evals.runs.output_items.retrieve", method="GET", path=_RUN + "/output_items/{output_item_id}",
        handler=_retrieve_item,
    ),
)  # fmt: skip
