"""The files of a vector store: how one is attached, indexed as time passes, and counted."""

from collections.abc import Iterable

import msgspec

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.checks.shapes import Either, Flag, Number, Object, Pairs, Tagged, Text
from tidegate.simulator.resources.calls import ResourceCall
from tidegate.simulator.resources.organization import Collection, Organization, Record
from tidegate.simulator.resources.stored.chunks import IndexedChunk, index

_AUTO = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}
STRATEGY = Tagged(
    kinds={
        "auto": Object(),
        "static": Object(
            fields={
                "static": Object(
                    fields={
                        "max_chunk_size_tokens": Number(minimum=100, maximum=4096, whole=True),
                        "chunk_overlap_tokens": Number(minimum=0, maximum=2048, whole=True),
                    },
                    required=("max_chunk_size_tokens", "chunk_overlap_tokens"),
                )
            },
            required=("static",),
        ),
    }
)
ATTRIBUTES = Pairs(
    values=Either((Text(most=512), Number(), Flag()), "one of a string, a number or a boolean"),
    most=16,
    most_in_name=64,
)
_NO_TEXT = {"code": "unsupported_file", "message": "The file could not be parsed because it is not text."}


class AttachedFile(msgspec.Struct, kw_only=True):
    """What is known of a file in a vector store besides what is shown."""

    filename: str
    content: bytes | memoryview
    batch_id: str | None = None
    chunks: list[IndexedChunk] = []


def files_of(organization: Organization, store_id: str) -> Collection:
    """Return the files of a vector store."""
    return organization.collection("vector_stores.files", store_id)


def attach(call: ResourceCall, store_id: str, file: Record, fields: Json, *, batch_id: str | None = None) -> Record:
    """Begin to index a file in a vector store."""
    strategy = fields.get("chunking_strategy") or {}
    body = {
        "id": file.id, "object": "vector_store.file", "usage_bytes": 0, "created_at": int(call.now),
        "vector_store_id": store_id, "status": "in_progress", "last_error": None,
        "chunking_strategy": strategy if strategy.get("type") == "static" else _AUTO,
        "attributes": fields.get("attributes") or {},
    }  # fmt: skip
    work = AttachedFile(filename=file.body["filename"], content=file.content, batch_id=batch_id)
    record = Record(id=file.id, body=body, begun=call.now, seconds=call.job_seconds, work=work)
    return files_of(call.organization, store_id).add(record)


def settled(call: ResourceCall, record: Record) -> Record:
    """Return the file after it was indexed, if its time has come."""
    body, work = record.body, record.work
    if body["status"] != "in_progress":
        return record
    if record.stopped is not None:
        body["status"] = "cancelled"
    elif record.share(call.now) >= 1:
        try:
            work.chunks = index(work.content, body["chunking_strategy"])
        except UnicodeDecodeError:
            body.update(status="failed", last_error=_NO_TEXT)
        else:
            body.update(status="completed", usage_bytes=sum(len(chunk.text.encode()) for chunk in work.chunks))
        work.content = b""
    return record


def counts(files: Iterable[Record]) -> dict[str, int]:
    """Return the number of files in each status, and of all."""
    states = [file.body["status"] for file in files]
    names = ("in_progress", "completed", "failed", "cancelled")
    return {**{name: states.count(name) for name in names}, "total": len(states)}
