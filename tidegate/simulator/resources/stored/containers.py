"""Containers of the code interpreter, and their files: `/v1/containers`."""

from fractions import Fraction

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.billing.tariff import TokenUsage
from tidegate.simulator.checks.shapes import Array, Number, Object, Text
from tidegate.simulator.refusal import invalid
from tidegate.simulator.resources.calls import (
    ResourceAnswer,
    ResourceCall,
    ResourceCharge,
    ResourceRoute,
    answer,
)
from tidegate.simulator.resources.objects import StoredKind
from tidegate.simulator.resources.organization import Record
from tidegate.simulator.resources.stored.files import MOST_FILE_BYTES, find_file

_SIZES = ("1g", "4g", "16g", "64g")
_LIFE = Object(
    fields={"anchor": Text(values=("last_active_at",)), "minutes": Number(minimum=1, maximum=20, whole=True)},
    required=("anchor", "minutes"),
)
_NEW = Object(
    fields={
        "name": Text(),
        "file_ids": Array(items=Text()),
        "expires_after": _LIFE,
        "memory_limit": Text(values=_SIZES),
        "skills": Array(),
        "network_policy": Object(),
    },
    required=("name",),
    others=False,
)
_USUAL_MINUTES = 20
_FOLDER = ("", "mnt", "data")
"""Where a container has its files."""


def _make(call: ResourceCall, fields: Json, container_id: str) -> Json:
    files = [find_file(call.organization, one, now=call.now, param="file_ids") for one in fields.get("file_ids") or ()]
    for number, file in enumerate(files, start=1):
        _store(call, container_id, file.body["filename"], file.content, file_id=call.make_id("cfile_", number))
    return {
        "id": container_id, "object": "container", "name": fields["name"], "created_at": int(call.now),
        "status": "running", "last_active_at": int(call.now), "memory_limit": fields.get("memory_limit") or "1g",
        "expires_after": fields.get("expires_after") or {"anchor": "last_active_at", "minutes": _USUAL_MINUTES},
        "network_policy": fields.get("network_policy") or {"type": "disabled"},
    }  # fmt: skip


def _view(call: ResourceCall, record: Record) -> Json:
    body = record.body
    if call.now > body["last_active_at"] + body["expires_after"]["minutes"] * 60:
        body["status"] = "expired"
    return body


_CONTAINERS = StoredKind(
    label="containers", path="/containers", parameter="container_id", name="Container", prefix="cntr_",
    make=_make, view=_view, shape=_NEW,
)  # fmt: skip


def _create(call: ResourceCall) -> ResourceAnswer:
    made = _CONTAINERS.create(call)
    size = (made.body or {})["memory_limit"]
    usage = TokenUsage(units=((f"container {size}", Fraction(1)),))
    return ResourceAnswer(body=made.body, charge=ResourceCharge(model="container", usage=usage))


def _active(call: ResourceCall) -> Record:
    """Return the container that the path names. Raises Refusal if it has expired."""
    record = _CONTAINERS.find(call)
    if _view(call, record)["status"] == "expired":
        raise invalid("Container is expired.", code="container_expired")
    record.body["last_active_at"] = int(call.now)
    return record


def _store(call: ResourceCall, container_id: str, name: str, content: bytes | memoryview, *, file_id: str) -> Record:
    body = {
        "id": file_id, "object": "container.file", "container_id": container_id, "created_at": int(call.now),
        "bytes": memoryview(content).nbytes, "path": "/".join((*_FOLDER, name)), "source": "user",
    }  # fmt: skip
    record = Record(id=file_id, body=body, content=content)
    return call.organization.collection("containers.files", container_id).add(record)


_FILES = StoredKind(
    label="containers.files", path="/containers/{container_id}/files", parameter="file_id", name="Container file",
    prefix="cfile_", parent=_CONTAINERS,
)  # fmt: skip


def _create_file(call: ResourceCall) -> ResourceAnswer:
    container = _active(call)
    file_id = call.make_id("cfile_")
    if parts := call.files("file"):
        return answer(_store(call, container.id, parts[0].filename, parts[0].data, file_id=file_id).body)
    wanted = call.fields().get("file_id")
    if not isinstance(wanted, str):
        raise invalid("Either 'file' or 'file_id' must be provided.", param="file")
    file = find_file(call.organization, wanted, now=call.now, param="file_id")
    return answer(_store(call, container.id, file.body["filename"], file.content, file_id=file_id).body)


def _content(call: ResourceCall) -> ResourceAnswer:
    _active(call)
    return ResourceAnswer(content=_FILES.find(call).content, content_type="application/octet-stream")


ROUTES: tuple[ResourceRoute, ...] = (
    *_CONTAINERS.routes("list", "retrieve", "delete", create=_create),
    *_FILES.routes("list", "retrieve", "delete"),
    ResourceRoute(
        label="containers.files.create", method="POST", path="/containers/{container_id}/files", handler=_create_file,
        most_bytes=MOST_FILE_BYTES,
    ),
    ResourceRoute(
        label="containers.files.content.retrieve", method="GET",
        path="/containers/{container_id}/files/{file_id}/content",
        handler=_content,
    ),
)  # fmt: skip
