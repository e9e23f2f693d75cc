"""Batches: `/v1/batches`. They answer their lines with the simulator's own inference."""

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.checks.shapes import Object, Text
from tidegate.simulator.checks.shared_parameters import COMMON
from tidegate.simulator.refusal import Refusal, invalid
from tidegate.simulator.resources import paging
from tidegate.simulator.resources.calls import ResourceAnswer, ResourceCall, ResourceRoute, answer
from tidegate.simulator.resources.jobs.batch_lines import read_lines
from tidegate.simulator.resources.jobs.batch_runs import BatchRun, advance
from tidegate.simulator.resources.organization import Record
from tidegate.simulator.resources.stored.files import expiry, find_file

ENDPOINTS = (
    "/v1/responses", "/v1/chat/completions", "/v1/embeddings", "/v1/completions", "/v1/moderations",
    "/v1/images/generations", "/v1/images/edits", "/v1/videos",
)  # fmt: skip
_DAY = 86_400
_ENDED = ("completed", "failed", "expired", "cancelled")
_NEW = Object(
    fields={
        "input_file_id": Text(),
        "endpoint": Text(values=ENDPOINTS),
        "completion_window": Text(values=("24h",)),
        "metadata": COMMON["metadata"],
        "output_expires_after": Object(),
    },
    required=("input_file_id", "endpoint", "completion_window"),
    others=False,
)


def _create(call: ResourceCall) -> ResourceAnswer:
    fields = call.json()
    _NEW.check("", fields)
    file = find_file(call.organization, fields["input_file_id"], now=call.now, param="input_file_id")
    if file.body["purpose"] != "batch":
        message = f"Invalid file purpose '{file.body['purpose']}' for Batch API. Expected 'batch'."
        raise invalid(message, param="input_file_id", code="invalid_purpose")
    keeps = expiry(fields, 0, "output_expires_after")
    run = BatchRun(input=read_lines(file.content, fields["endpoint"]), digits=call.digits)
    if keeps is not None:
        run.keeps_seconds = keeps
    record = Record(
        id=call.make_id("batch_"), body=_body(call, fields), begun=call.now, seconds=call.job_seconds, work=run
    )
    call.organization.collection("batches").add(record)
    call.organization.running[record.id] = record
    return answer(record.body)


def _body(call: ResourceCall, fields: Json) -> Json:
    moments = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
    usage = {
        "input_tokens": 0, "output_tokens": 0, "total_tokens": 0,
        "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0},
    }  # fmt: skip
    return {
        "id": call.make_id("batch_"), "object": "batch", "endpoint": fields["endpoint"], "model": None, "errors": None,
        "input_file_id": fields["input_file_id"], "completion_window": "24h", "status": "validating",
        "output_file_id": None, "error_file_id": None, "created_at": int(call.now), "expires_at": int(call.now) + _DAY,
        **{f"{name}_at": None for name in moments},
        "request_counts": {"total": 0, "completed": 0, "failed": 0}, "usage": usage,
        "metadata": fields.get("metadata"),
    }  # fmt: skip


def _found(call: ResourceCall) -> Record:
    batch_id = call.parameters["batch_id"]
    record = call.organization.collection("batches").find(batch_id)
    if record is None:
        raise Refusal(404, f"No batch found with id '{batch_id}'.")
    advance(call.organization, record, call.answer_line, call.now)
    return record


def _retrieve(call: ResourceCall) -> ResourceAnswer:
    return answer(_found(call).body)


def _cancel(call: ResourceCall) -> ResourceAnswer:
    record = _found(call)
    if record.body["status"] in _ENDED:
        raise Refusal(409, f"Cannot cancel a batch with status '{record.body['status']}'.")
    if record.stopped is None:
        record.stopped = call.now
        record.body.update(status="cancelling", cancelling_at=int(call.now))
    return answer(record.body)


def _list(call: ResourceCall) -> ResourceAnswer:
    def view(record: Record) -> Json:
        advance(call.organization, record, call.answer_line, call.now)
        return record.body

    return answer(paging.page(call.organization.collection("batches"), call.query, view=view))


ROUTES = (
    ResourceRoute(label="batches.create", method="POST", path="/batches", handler=_create),
    ResourceRoute(label="batches.list", method="GET", path="/batches", handler=_list),
    ResourceRoute(label="batches.retrieve", method="GET", path="/batches/{batch_id}", handler=_retrieve),
    ResourceRoute(label="batches.cancel", method="POST", path="/batches/{batch_id}/cancel", handler=_cancel),
)
