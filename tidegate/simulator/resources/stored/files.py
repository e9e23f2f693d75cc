"""Files: `/v1/files`."""

import mimetypes
from collections.abc import Mapping

import msgspec

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.checks import refusals
from tidegate.simulator.refusal import invalid
from tidegate.simulator.resources import paging
from tidegate.simulator.resources.calls import (
    MEGABYTE,
    ResourceAnswer,
    ResourceCall,
    ResourceRoute,
    answer,
    whole_number,
)
from tidegate.simulator.resources.organization import Collection, Organization, Record, no_such
from tidegate.simulator.resources.paging import PageBounds

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
MOST_FILE_BYTES = 512 * MEGABYTE
_DAY = 86_400
_PAGES = PageBounds(usual=10_000, most=10_000)
_LONGEST_LIFE = 30 * _DAY
_LINES = {"batch": "Batch", "fine-tune": "Fine-tuning"}
"""Purposes whose files are JSON Lines, with the name of their use."""
_SECRET = ("assistants", "vision")
"""Purposes whose files cannot be downloaded."""


def collection_of(organization: Organization) -> Collection:
    """Return all files."""
    return organization.collection("files")


def find_file(organization: Organization, file_id: str, *, now: float, param: str = "id") -> Record:
    """Return a file that has not expired. Raises Refusal, 404."""
    record = collection_of(organization).find(file_id)
    if record is not None and (record.body.get("expires_at") or now) < now:
        collection_of(organization).remove(file_id)
        record = None
    if record is None:
        raise no_such("File", file_id, param)
    return record


class FileFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is stored with."""

    filename: str
    purpose: str
    created_at: float
    """Unix seconds."""
    expires_at: int | None = None


def store_file(organization: Organization, file_id: str, content: bytes | memoryview, facts: FileFacts) -> Record:
    """Store a file. Raises Refusal when there is no space."""
    body = {
        "id": file_id, "object": "file", "bytes": memoryview(content).nbytes, "created_at": int(facts.created_at),
        "expires_at": facts.expires_at, "filename": facts.filename, "purpose": facts.purpose, "status": "processed",
        "status_details": None,
    }  # fmt: skip
    kind = mimetypes.guess_type(facts.filename)[0] or "application/octet-stream"
    return collection_of(organization).add(Record(id=file_id, body=body, content=content, content_type=kind))


def expiry(fields: Mapping[str, object], now: float, name: str = "expires_after") -> int | None:
    """Return when a file with these fields expires. Raises Refusal for a wrong anchor or time."""
    wanted = fields.get(name)
    if wanted is None:
        return None
    if not isinstance(wanted, dict):
        raise refusals.wrong_type(name, "an object", wanted)
    if wanted.get("anchor") != "created_at":
        raise refusals.wrong_value(f"{name}.anchor", wanted.get("anchor"), ("created_at",))
    seconds = whole_number(wanted.get("seconds"), f"{name}.seconds")
    if seconds < 3600:
        raise refusals.out_of_bounds(f"{name}.seconds", seconds, "integer", minimum=3600)
    if seconds > _LONGEST_LIFE:
        raise refusals.out_of_bounds(f"{name}.seconds", seconds, "integer", maximum=_LONGEST_LIFE)
    return int(now) + seconds


def check_purpose(purpose: object, filename: str) -> str:
    """Return the purpose. Raises Refusal for an unknown one, or for a file that does not fit it."""
    if purpose is None:
        raise refusals.missing("purpose")
    if purpose not in PURPOSES:
        *most, last = (f"'{one}'" for one in PURPOSES)
        message = f"'{purpose}' is not one of [{', '.join(most)}, {last}] - 'purpose'"
        raise invalid(message, param="purpose")
    if purpose in _LINES and not filename.endswith(".jsonl"):
        raise invalid(f"Invalid file format for {_LINES[str(purpose)]} API. Must be .jsonl")
    return str(purpose)


def _create(call: ResourceCall) -> ResourceAnswer:
    fields, files = call.form().values(), call.files("file")
    if not files:
        raise invalid("'file' is a required property", param="file")
    part = files[0]
    purpose = check_purpose(fields.get("purpose"), part.filename)
    if not len(part.data):
        raise invalid("File is empty.", param="file")
    expires_at = expiry(fields, call.now)
    if expires_at is None and purpose == "batch":
        expires_at = int(call.now) + _LONGEST_LIFE
    facts = FileFacts(filename=part.filename, purpose=purpose, created_at=call.now, expires_at=expires_at)
    record = store_file(call.organization, call.make_id("file-"), part.data, facts)
    return answer(record.body)


def _found(call: ResourceCall) -> Record:
    return find_file(call.organization, call.parameters["file_id"], now=call.now)


def _retrieve(call: ResourceCall) -> ResourceAnswer:
    return answer(_found(call).body)


def _list(call: ResourceCall) -> ResourceAnswer:
    purpose = call.query.get("purpose")
    body: Json = paging.page(
        collection_of(call.organization), call.query, bounds=_PAGES,
        keep=lambda record: purpose is None or record.body["purpose"] == purpose,
    )  # fmt: skip
    return answer(body)


def _delete(call: ResourceCall) -> ResourceAnswer:
    record = _found(call)
    collection_of(call.organization).remove(record.id)
    return answer({"id": record.id, "object": "file", "deleted": True})


def _content(call: ResourceCall) -> ResourceAnswer:
    record = _found(call)
    purpose = record.body["purpose"]
    if purpose in _SECRET:
        raise invalid(f"Not allowed to download files of purpose: {purpose}")
    name = str(record.body["filename"]).replace('"', "'").encode("ascii", "replace").decode()
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return ResourceAnswer(content=record.content, content_type="application/octet-stream", headers=headers)


ROUTES = (
    ResourceRoute(
        label="files.create", method="POST", path="/files", handler=_create, most_bytes=MOST_FILE_BYTES + MEGABYTE
    ),
    ResourceRoute(label="files.list", method="GET", path="/files", handler=_list),
    ResourceRoute(label="files.retrieve", method="GET", path="/files/{file_id}", handler=_retrieve),
    ResourceRoute(label="files.delete", method="DELETE", path="/files/{file_id}", handler=_delete),
    ResourceRoute(label="files.content", method="GET", path="/files/{file_id}/content", handler=_content),
)
