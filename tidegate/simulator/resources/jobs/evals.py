"""Evals: `/v1/evals`."""

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.checks.shapes import Array, Object, Tagged, Text
from tidegate.simulator.checks.shared_parameters import COMMON
from tidegate.simulator.resources.calls import ResourceAnswer, ResourceCall, ResourceRoute, answer
from tidegate.simulator.resources.jobs.grading import check_grader
from tidegate.simulator.resources.objects import StoredKind
from tidegate.simulator.resources.paging import OLDEST_FIRST

_SOURCE = Tagged(kinds={"custom": Object(required=("item_schema",)), "logs": Object(), "stored_completions": Object()})
_NEW = Object(
    fields={
        "name": Text(),
        "metadata": COMMON["metadata"],
        "data_source_config": _SOURCE,
        "testing_criteria": Array(least=1),
    },
    required=("data_source_config", "testing_criteria"),
    others=False,
)


def _make(call: ResourceCall, fields: Json, eval_id: str) -> Json:
    criteria = []
    for number, grader in enumerate(fields["testing_criteria"]):
        check_grader(grader, f"testing_criteria[{number}]")
        criteria.append({"id": f"{grader['name']}-{call.digits[:8]}{number}", **grader})
    return {
        "object": "eval", "id": eval_id, "name": fields.get("name") or "", "created_at": int(call.now),
        "data_source_config": _config(fields["data_source_config"]), "testing_criteria": criteria,
        "metadata": fields.get("metadata") or {},
    }  # fmt: skip


def _config(wanted: Json) -> Json:
    """Return how the eval's data looks, as the answer states it."""
    if wanted["type"] != "custom":
        schema = {"type": "object", "properties": {"item": {"type": "object"}}}
        return {"type": wanted["type"], "metadata": wanted.get("metadata") or {}, "schema": schema}
    properties = {"item": wanted["item_schema"]}
    if wanted.get("include_sample_schema"):
        properties["sample"] = {"type": "object"}
    return {"type": "custom", "schema": {"type": "object", "properties": properties, "required": list(properties)}}


EVALS = StoredKind(
    label="evals",
    path="/evals",
    parameter="eval_id",
    name="Eval",
    prefix="eval_",
    make=_make,
    shape=_NEW,
    pages=OLDEST_FIRST,
)


def _delete(call: ResourceCall) -> ResourceAnswer:
    EVALS.delete(call)
    return answer({"object": "eval.deleted", "deleted": True, "eval_id": call.parameters["eval_id"]})


ROUTES: tuple[ResourceRoute, ...] = tuple(EVALS.routes("create", "list", "retrieve", "update", delete=_delete))
