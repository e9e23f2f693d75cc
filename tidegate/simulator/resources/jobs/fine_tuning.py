"""Fine-tuning jobs and the permissions of checkpoints: `/v1/fine_tuning`."""

import msgspec

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.checks.shapes import Array, Number, Object, Text
from tidegate.simulator.checks.shared_parameters import COMMON
from tidegate.simulator.refusal import Refusal, invalid
from tidegate.simulator.resources import paging
from tidegate.simulator.resources.calls import ResourceAnswer, ResourceCall, ResourceRoute, answer, object_not_found
from tidegate.simulator.resources.jobs.tuning_runs import TuningRun, add_event, advance
from tidegate.simulator.resources.organization import Record
from tidegate.simulator.resources.stored.files import find_file

_BASES = ("gpt-4.1", "gpt-4o", "gpt-3.5-turbo", "o4-mini", "davinci-002", "babbage-002", "ft:")
_FEWEST_EXAMPLES = 10
_USUAL_EPOCHS = 3
_METHODS = ("supervised", "dpo", "reinforcement")
_NEW = Object(
    fields={
        "model": Text(least=1),
        "training_file": Text(least=1),
        "validation_file": Text(),
        "hyperparameters": Object(),
        "suffix": Text(least=1, most=64),
        "integrations": Array(),
        "seed": Number(minimum=0, maximum=2147483647, whole=True),
        "method": Object(fields={"type": Text(values=_METHODS)}, required=("type",)),
        "metadata": COMMON["metadata"],
    },
    required=("model", "training_file"),
    others=False,
)


def _create(call: ResourceCall) -> ResourceAnswer:
    fields = call.json()
    _NEW.check("", fields)
    if not fields["model"].startswith(_BASES):
        message = f"Model {fields['model']} is not available for fine-tuning or does not exist."
        raise invalid(message, param="model", code="model_not_available")
    content = _training_data(call, fields["training_file"], "training_file")
    if fields.get("validation_file"):
        _training_data(call, fields["validation_file"], "validation_file")
    epochs = _epochs(fields)
    run = TuningRun(digits=call.digits, suffix=fields.get("suffix") or "", epochs=epochs, content=content)
    record = Record(
        id=call.make_id("ftjob-"), body=_body(call, fields, epochs), begun=call.now, seconds=call.job_seconds, work=run
    )
    call.organization.collection("fine_tuning.jobs").add(record)
    call.organization.running[record.id] = record
    add_event(call.organization, record, call.now, f"Created fine-tuning job: {record.id}")
    return answer(record.body)


def _training_data(call: ResourceCall, file_id: str, name: str) -> bytes | memoryview:
    """Return a file's content. Raises Refusal for another purpose, lines that are no JSON, or too few of them."""
    file = find_file(call.organization, file_id, now=call.now, param=name)
    if file.body["purpose"] != "fine-tune":
        message = f"Invalid file purpose '{file.body['purpose']}'. Expected 'fine-tune'."
        raise invalid(message, param=name, code="invalid_file_purpose")
    lines = [line for line in bytes(file.content).split(b"\n") if line.strip()]
    for number, line in enumerate(lines, start=1):
        try:
            msgspec.json.decode(line, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise invalid(f"Invalid file format. Line {number} is not valid JSON.", param=name,
                          code="invalid_file_format") from error  # fmt: skip
    if len(lines) < _FEWEST_EXAMPLES:
        message = f"'{file_id}' has {len(lines)} example(s), but must have at least {_FEWEST_EXAMPLES} examples."
        raise invalid(message, param=name, code="invalid_n_examples")
    return file.content


def _epochs(fields: Json) -> int:
    method = fields.get("method") or {}
    inner = (method.get(method.get("type") or "") or {}).get("hyperparameters") or {}
    wanted = {**(fields.get("hyperparameters") or {}), **inner}.get("n_epochs", _USUAL_EPOCHS)
    return wanted if isinstance(wanted, int) and 1 <= wanted <= 50 else _USUAL_EPOCHS


def _body(call: ResourceCall, fields: Json, epochs: int) -> Json:
    hyperparameters = {"n_epochs": epochs, "batch_size": 1, "learning_rate_multiplier": 1.8}
    kind = (fields.get("method") or {}).get("type") or "supervised"
    return {
        "object": "fine_tuning.job", "id": call.make_id("ftjob-"), "model": fields["model"],
        "created_at": int(call.now), "finished_at": None, "fine_tuned_model": None,
        "organization_id": "org-simulator", "result_files": [], "status": "validating_files",
        "validation_file": fields.get("validation_file"), "training_file": fields["training_file"],
        "hyperparameters": hyperparameters, "trained_tokens": None, "error": None, "seed": fields.get("seed") or 0,
        "estimated_finish": int(call.now + call.job_seconds), "integrations": fields.get("integrations") or [],
        "metadata": fields.get("metadata"),
        "method": {"type": kind, kind: {"hyperparameters": hyperparameters}} if kind != "reinforcement"
        else fields["method"],
    }  # fmt: skip


def _found(call: ResourceCall) -> Record:
    job_id = call.parameters["fine_tuning_job_id"]
    record = call.organization.collection("fine_tuning.jobs").find(job_id)
    if record is None:
        message = f"Could not find fine tune: {job_id}"
        raise Refusal(404, message, code="fine_tune_not_found", param="fine_tune_id")
    advance(call.organization, record, call.now)
    return record


def _retrieve(call: ResourceCall) -> ResourceAnswer:
    return answer(_found(call).body)


def _list(call: ResourceCall) -> ResourceAnswer:
    def view(record: Record) -> Json:
        advance(call.organization, record, call.now)
        return record.body

    return answer(paging.page(call.organization.collection("fine_tuning.jobs"), call.query, view=view))


def _active(call: ResourceCall, *states: str) -> Record:
    """Return the job. Raises Refusal unless its status is one of these."""
    record = _found(call)
    if record.body["status"] not in states:
        message = f"Job {record.id} is in status '{record.body['status']}' and cannot be changed in this way."
        raise invalid(message, code="invalid_state")
    return record


def _cancel(call: ResourceCall) -> ResourceAnswer:
    record = _active(call, "validating_files", "queued", "running", "paused")
    record.body.update(status="cancelled", finished_at=int(call.now))
    call.organization.running.pop(record.id, None)
    add_event(call.organization, record, call.now, "Fine-tuning job cancelled")
    return answer(record.body)


def _pause(call: ResourceCall) -> ResourceAnswer:
    record = _active(call, "validating_files", "queued", "running")
    record.stopped = call.now
    record.body["status"] = "paused"
    add_event(call.organization, record, call.now, "Fine-tuning job paused")
    return answer(record.body)


def _resume(call: ResourceCall) -> ResourceAnswer:
    record = _active(call, "paused")
    record.begun += call.now - (record.stopped or call.now)
    record.stopped = None
    record.body["status"] = "queued"
    add_event(call.organization, record, call.now, "Fine-tuning job resumed")
    return answer(record.body)


def _events(call: ResourceCall) -> ResourceAnswer:
    return answer(paging.page(call.organization.collection("fine_tuning.events", _found(call).id), call.query))


def _checkpoints(call: ResourceCall) -> ResourceAnswer:
    found = call.organization.collection("fine_tuning.checkpoints", _found(call).id)
    return answer(paging.page(found, call.query, bounds=paging.PageBounds(usual=10)))


_PERMISSIONS = "/fine_tuning/checkpoints/{checkpoint}/permissions"
_NEW_PERMISSION = Object(fields={"project_ids": Array(items=Text(), least=1)}, required=("project_ids",), others=False)


def _permit(call: ResourceCall) -> ResourceAnswer:
    fields = call.json()
    _NEW_PERMISSION.check("", fields)
    permissions = call.organization.collection("fine_tuning.permissions", call.parameters["checkpoint"])
    made: list[Json] = []
    for number, project in enumerate(fields["project_ids"]):
        body = {
            "object": "checkpoint.permission", "id": call.make_id("cp_", number), "created_at": int(call.now),
            "project_id": project,
        }  # fmt: skip
        made.append(permissions.add(Record(id=str(body["id"]), body=body)).body)
    return answer(paging.list_of(made))


def _permissions(call: ResourceCall) -> ResourceAnswer:
    found = call.organization.collection("fine_tuning.permissions", call.parameters["checkpoint"])
    return answer(paging.page(found, call.query, bounds=paging.PageBounds(usual=10)))


def _forbid(call: ResourceCall) -> ResourceAnswer:
    permission_id = call.parameters["permission_id"]
    found = call.organization.collection("fine_tuning.permissions", call.parameters["checkpoint"])
    if found.remove(permission_id) is None:
        raise object_not_found("Permission", permission_id)
    return answer({"id": permission_id, "object": "checkpoint.permission", "deleted": True})


_JOBS = "/fine_tuning/jobs"
_JOB = _JOBS + "/{fine_tuning_job_id}"
ROUTES = tuple(
    ResourceRoute(label=f"fine_tuning.{label}", method=method, path=path, handler=handler)
    for label, method, path, handler in (
        ("jobs.create", "POST", _JOBS, _create),
        ("jobs.list", "GET", _JOBS, _list),
        ("jobs.retrieve", "GET", _JOB, _retrieve),
        ("jobs.cancel", "POST", _JOB + "/cancel", _cancel),
        ("jobs.pause", "POST", _JOB + "/pause", _pause),
        ("jobs.resume", "POST", _JOB + "/resume", _resume),
        ("jobs.list_events", "GET", _JOB + "/events", _events),
        ("jobs.checkpoints.list", "GET", _JOB + "/checkpoints", _checkpoints),
        ("checkpoints.permissions.create", "POST", _PERMISSIONS, _permit),
        ("checkpoints.permissions.list", "GET", _PERMISSIONS, _permissions),
        ("checkpoints.permissions.delete", "DELETE", _PERMISSIONS + "/{permission_id}", _forbid),
    )
)
