"""Uploads in parts: `/v1/uploads`. A complete upload is a file."""

import hashlib

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.checks.shapes import Array, Number, Object, Text
from tidegate.simulator.refusal import invalid
from tidegate.simulator.resources.calls import MEGABYTE, ResourceAnswer, ResourceCall, ResourceRoute, answer
from tidegate.simulator.resources.organization import Collection, Record, no_such
from tidegate.simulator.resources.stored.files import FileFacts, check_purpose, expiry, store_file

_MOST_BYTES = 8 * 1024 * MEGABYTE
_MOST_PART = 64 * MEGABYTE
_LIFE = 3600
_NEW = Object(
    fields={
        "filename": Text(least=1),
        "bytes": Number(whole=True, minimum=1, maximum=_MOST_BYTES),
        "mime_type": Text(least=1),
        "purpose": Text(),
        "expires_after": Object(),
    },
    required=("filename", "purpose", "bytes", "mime_type"),
)
_END = Object(fields={"part_ids": Array(items=Text()), "md5": Text()}, required=("part_ids",))


def _uploads(call: ResourceCall) -> Collection:
    return call.organization.collection("uploads")


def _parts(call: ResourceCall, upload: Record) -> Collection:
    return call.organization.collection("upload_parts", upload.id)


def _open_upload(call: ResourceCall) -> Record:
    """Return the upload that the path names. Raises Refusal unless it is pending."""
    upload_id = call.parameters["upload_id"]
    record = _uploads(call).find(upload_id)
    if record is None:
        raise no_such("Upload", upload_id, "upload_id")
    if record.body["status"] == "pending" and record.body["expires_at"] < call.now:
        record.body["status"] = "expired"
    if record.body["status"] != "pending":
        raise invalid(f"Upload {upload_id} has status '{record.body['status']}'. It must be 'pending'.")
    return record


def _create(call: ResourceCall) -> ResourceAnswer:
    fields = call.json()
    _NEW.check("", fields)
    purpose = check_purpose(fields["purpose"], fields["filename"])
    body: Json = {
        "id": call.make_id("upload_"), "object": "upload", "bytes": fields["bytes"], "created_at": int(call.now),
        "filename": fields["filename"], "purpose": purpose, "status": "pending",
        "expires_at": int(call.now) + _LIFE, "file": None,
    }  # fmt: skip
    work = {"file_expires_at": expiry(fields, call.now)}
    return answer(_uploads(call).add(Record(id=body["id"], body=body, work=work)).body)


def _add_part(call: ResourceCall) -> ResourceAnswer:
    upload = _open_upload(call)
    files = call.files("data")
    if not files:
        raise invalid("'data' is a required property", param="data")
    if len(files[0].data) > _MOST_PART:
        raise invalid(f"Parts are limited to {_MOST_PART} bytes.", param="data")
    part_id = call.make_id("part_")
    body = {"id": part_id, "object": "upload.part", "created_at": int(call.now), "upload_id": upload.id}
    return answer(_parts(call, upload).add(Record(id=part_id, body=body, content=files[0].data)).body)


def _complete(call: ResourceCall) -> ResourceAnswer:
    upload, fields = _open_upload(call), call.json()
    _END.check("", fields)
    parts = [_parts(call, upload).find(part_id) for part_id in fields["part_ids"]]
    for part_id, part in zip(fields["part_ids"], parts, strict=True):
        if part is None:
            raise invalid(f"Part '{part_id}' does not belong to this upload.", param="part_ids")
    content = b"".join(part.content for part in parts if part is not None)
    wanted = upload.body["bytes"]
    if len(content) != wanted:
        raise invalid(f"The parts have {len(content)} bytes, but the upload was created with {wanted} bytes.")
    if fields.get("md5") and fields["md5"] != hashlib.md5(content, usedforsecurity=False).hexdigest():
        raise invalid("The MD5 checksum does not match the uploaded bytes.", param="md5")
    call.organization.drop(upload.id)
    facts = FileFacts(
        filename=upload.body["filename"], purpose=upload.body["purpose"], created_at=call.now,
        expires_at=upload.work["file_expires_at"],
    )  # fmt: skip
    file = store_file(call.organization, call.make_id("file-"), content, facts)
    upload.body.update(status="completed", file=file.body)
    return answer(upload.body)


def _cancel(call: ResourceCall) -> ResourceAnswer:
    upload = _open_upload(call)
    call.organization.drop(upload.id)
    upload.body["status"] = "cancelled"
    return answer(upload.body)


ROUTES = (
    ResourceRoute(label="uploads.create", method="POST", path="/uploads", handler=_create),
    ResourceRoute(
        label="uploads.parts.create", method="POST", path="/uploads/{upload_id}/parts", handler=_add_part,
        most_bytes=_MOST_PART + MEGABYTE,
    ),
    ResourceRoute(label="uploads.complete", method="POST", path="/uploads/{upload_id}/complete", handler=_complete),
    ResourceRoute(label="uploads.cancel", method="POST", path="/uploads/{upload_id}/cancel", handler=_cancel),
)  # fmt: skip
