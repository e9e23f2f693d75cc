"""The routes of a vector store's files and of batches of them."""

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.checks import refusals
from tidegate.simulator.checks.shapes import Array, Object, Text
from tidegate.simulator.refusal import Refusal, invalid
from tidegate.simulator.resources import paging
from tidegate.simulator.resources.calls import ResourceAnswer, ResourceCall, ResourceRoute, answer
from tidegate.simulator.resources.organization import Record
from tidegate.simulator.resources.stored.attached_files import (
    ATTRIBUTES,
    STRATEGY,
    attach,
    counts,
    files_of,
    settled,
)
from tidegate.simulator.resources.stored.files import find_file
from tidegate.simulator.resources.stored.vector_stores import VECTOR_STORES

_STATES = ("in_progress", "completed", "failed", "cancelled")
_MOST_FILES = 2000
_POLL = {"openai-poll-after-ms": "100"}
"""How soon the official SDK looks again."""
_NEW = Object(
    fields={"file_id": Text(), "chunking_strategy": STRATEGY, "attributes": ATTRIBUTES},
    required=("file_id",),
    others=False,
)
_NEW_BATCH = Object(
    fields={
        "file_ids": Array(items=Text(), least=1, most=_MOST_FILES),
        "files": Array(items=_NEW, least=1, most=_MOST_FILES),
        "chunking_strategy": STRATEGY,
        "attributes": ATTRIBUTES,
    },
    others=False,
)


def _create(call: ResourceCall) -> ResourceAnswer:
    store, fields = VECTOR_STORES.find(call), call.json()
    _NEW.check("", fields)
    file = find_file(call.organization, fields["file_id"], now=call.now, param="file_id")
    return answer(attach(call, store.id, file, fields).body, headers=_POLL)


def _found(call: ResourceCall) -> Record:
    store, file_id = VECTOR_STORES.find(call), call.parameters["file_id"]
    record = files_of(call.organization, store.id).find(file_id)
    if record is None:
        raise Refusal(404, f"No file found with id '{file_id}' in vector store '{store.id}'.")
    return settled(call, record)


def _retrieve(call: ResourceCall) -> ResourceAnswer:
    return answer(_found(call).body, headers=_POLL)


def _update(call: ResourceCall) -> ResourceAnswer:
    record, fields = _found(call), call.json()
    if "attributes" not in fields:
        raise refusals.missing("attributes")
    ATTRIBUTES.check("attributes", fields["attributes"] or {})
    record.body["attributes"] = fields["attributes"] or {}
    return answer(record.body)


def _list(call: ResourceCall) -> ResourceAnswer:
    return answer(_page(call, VECTOR_STORES.find(call).id))


def _page(call: ResourceCall, store_id: str, batch_id: str | None = None) -> Json:
    wanted = call.query.get("filter")
    if wanted is not None and wanted not in _STATES:
        raise refusals.wrong_value("filter", wanted, _STATES)

    def keep(record: Record) -> bool:
        own = settled(call, record).body["status"]
        return wanted in (None, own) and batch_id in (None, record.work.batch_id)

    return paging.page(files_of(call.organization, store_id), call.query, keep=keep)


def _delete(call: ResourceCall) -> ResourceAnswer:
    record = _found(call)
    files_of(call.organization, record.body["vector_store_id"]).remove(record.id)
    return answer({"id": record.id, "object": "vector_store.file.deleted", "deleted": True})


def _content(call: ResourceCall) -> ResourceAnswer:
    pieces = [{"type": "text", "text": chunk.text} for chunk in _found(call).work.chunks]
    body = {"object": "vector_store.file_content.page", "data": pieces, "has_more": False, "next_page": None}
    return answer(body)


def _create_batch(call: ResourceCall) -> ResourceAnswer:
    store, fields = VECTOR_STORES.find(call), call.json()
    _NEW_BATCH.check("", fields)
    if ("file_ids" in fields) == ("files" in fields):
        raise invalid("Exactly one of 'file_ids' and 'files' must be provided.", param="file_ids")
    wanted = fields.get("files") or [{**fields, "file_id": file_id} for file_id in fields["file_ids"]]
    files = [find_file(call.organization, one["file_id"], now=call.now, param="file_ids") for one in wanted]
    batch_id = call.make_id("vsfb_")
    for one, file in zip(wanted, files, strict=True):
        attach(call, store.id, file, one, batch_id=batch_id)
    body = {
        "id": batch_id, "object": "vector_store.files_batch", "created_at": int(call.now), "vector_store_id": store.id,
        "status": "in_progress", "file_counts": counts([]),
    }  # fmt: skip
    record = call.organization.collection("vector_stores.file_batches", store.id).add(Record(id=batch_id, body=body))
    return answer(_view_batch(call, record), headers=_POLL)


def _view_batch(call: ResourceCall, record: Record) -> Json:
    found = counts(_files_of_batch(call, record))
    record.body["file_counts"] = found
    if record.body["status"] == "in_progress" and not found["in_progress"]:
        record.body["status"] = "failed" if found["failed"] == found["total"] else "completed"
    return record.body


def _files_of_batch(call: ResourceCall, batch: Record) -> list[Record]:
    files = files_of(call.organization, batch.body["vector_store_id"])
    return [settled(call, file) for file in files if file.work.batch_id == batch.id]


def _found_batch(call: ResourceCall) -> Record:
    store, batch_id = VECTOR_STORES.find(call), call.parameters["batch_id"]
    record = call.organization.collection("vector_stores.file_batches", store.id).find(batch_id)
    if record is None:
        raise Refusal(404, f"No file batch found with id '{batch_id}' in vector store '{store.id}'.")
    return record


def _retrieve_batch(call: ResourceCall) -> ResourceAnswer:
    return answer(_view_batch(call, _found_batch(call)), headers=_POLL)


def _cancel_batch(call: ResourceCall) -> ResourceAnswer:
    batch = _found_batch(call)
    for file in _files_of_batch(call, batch):
        if file.body["status"] == "in_progress":
            file.stopped = call.now
    if _view_batch(call, batch)["status"] != "completed" or batch.body["file_counts"]["cancelled"]:
        batch.body["status"] = "cancelled"
    return answer(batch.body)


def _list_batch(call: ResourceCall) -> ResourceAnswer:
    batch = _found_batch(call)
    return answer(_page(call, batch.body["vector_store_id"], batch.id))


_FILES, _BATCHES = "/vector_stores/{vector_store_id}/files", "/vector_stores/{vector_store_id}/file_batches"
_BATCH = _BATCHES + "/{batch_id}"
ROUTES = tuple(
    ResourceRoute(label=f"vector_stores.{label}", method=method, path=path, handler=handler)
    for label, method, path, handler in (
        ("files.create", "POST", _FILES, _create),
        ("files.list", "GET", _FILES, _list),
        ("files.retrieve", "GET", _FILES + "/{file_id}", _retrieve),
        ("files.update", "POST", _FILES + "/{file_id}", _update),
        ("files.delete", "DELETE", _FILES + "/{file_id}", _delete),
        ("files.content", "GET", _FILES + "/{file_id}/content", _content),
        ("file_batches.create", "POST", _BATCHES, _create_batch),
        ("file_batches.retrieve", "GET", _BATCH, _retrieve_batch),
        ("file_batches.cancel", "POST", _BATCH + "/cancel", _cancel_batch),
        ("file_batches.list_files", "GET", _BATCH + "/files", _list_batch),
    )
)
