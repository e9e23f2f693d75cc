"""Files, uploads in parts, and batches."""

from tidegate.wire.operations.operation import (
    AnswerContent,
    BodyKind,
    ChargeBasis,
    ObjectKind,
    Operation,
    OperationClock,
)

_FILE = {"file_id": ObjectKind.FILE}
_UPLOAD = {"upload_id": ObjectKind.UPLOAD}
_BATCH = {"batch_id": ObjectKind.BATCH}

FILES = (
    Operation(
        label="files.create",
        method="POST",
        path="/v1/files",
        body=BodyKind.MULTIPART,
        clock=OperationClock.TRANSFER,
        makes=ObjectKind.FILE,
    ),
    Operation(label="files.list", method="GET", path="/v1/files", lists=ObjectKind.FILE),
    Operation(label="files.retrieve", method="GET", path="/v1/files/{file_id}", of=_FILE),
    Operation(label="files.delete", method="DELETE", path="/v1/files/{file_id}", of=_FILE, deletes=ObjectKind.FILE),
    Operation(
        label="files.content",
        method="GET",
        path="/v1/files/{file_id}/content",
        answer=AnswerContent.BYTES,
        clock=OperationClock.TRANSFER,
        of=_FILE,
    ),
)
UPLOADS = (
    Operation(label="uploads.create", method="POST", path="/v1/uploads", body=BodyKind.JSON, makes=ObjectKind.UPLOAD),
    Operation(
        label="uploads.parts.create",
        method="POST",
        path="/v1/uploads/{upload_id}/parts",
        body=BodyKind.MULTIPART,
        clock=OperationClock.TRANSFER,
        of=_UPLOAD,
    ),
    Operation(
        label="uploads.complete",
        method="POST",
        path="/v1/uploads/{upload_id}/complete",
        body=BodyKind.JSON,
        clock=OperationClock.LONG,
        of=_UPLOAD,
        makes=ObjectKind.FILE,
        made_at=("file", "id"),
    ),
    Operation(
        label="uploads.cancel", method="POST", path="/v1/uploads/{upload_id}/cancel", body=BodyKind.JSON, of=_UPLOAD
    ),
)
BATCHES = (
    Operation(
        label="batches.create",
        method="POST",
        path="/v1/batches",
        body=BodyKind.JSON,
        charge=ChargeBasis.LATER,
        makes=ObjectKind.BATCH,
    ),
    Operation(label="batches.list", method="GET", path="/v1/batches", lists=ObjectKind.BATCH),
    Operation(label="batches.retrieve", method="GET", path="/v1/batches/{batch_id}", of=_BATCH),
    Operation(
        label="batches.cancel", method="POST", path="/v1/batches/{batch_id}/cancel", body=BodyKind.JSON, of=_BATCH
    ),
)
