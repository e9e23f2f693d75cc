"""Vector stores, containers and skills."""

from tidegate.wire.operations.operation import (
    AnswerContent,
    BodyKind,
    ChargeBasis,
    ObjectKind,
    Operation,
    OperationClock,
)

_STORE = {"vector_store_id": ObjectKind.VECTOR_STORE}
_CONTAINER = {"container_id": ObjectKind.CONTAINER}
_SKILL = {"skill_id": ObjectKind.SKILL}

VECTOR_STORES = (
    Operation(
        label="vector_stores.create",
        method="POST",
        path="/v1/vector_stores",
        body=BodyKind.JSON,
        charge=ChargeBasis.LATER,
        makes=ObjectKind.VECTOR_STORE,
    ),
    Operation(label="vector_stores.list", method="GET", path="/v1/vector_stores", lists=ObjectKind.VECTOR_STORE),
    Operation(label="vector_stores.retrieve", method="GET", path="/v1/vector_stores/{vector_store_id}", of=_STORE),
    Operation(
        label="vector_stores.update",
        method="POST",
        path="/v1/vector_stores/{vector_store_id}",
        body=BodyKind.JSON,
        of=_STORE,
    ),
    Operation(
        label="vector_stores.delete",
        method="DELETE",
        path="/v1/vector_stores/{vector_store_id}",
        deletes=ObjectKind.VECTOR_STORE,
        of=_STORE,
    ),
    Operation(
        label="vector_stores.search",
        method="POST",
        path="/v1/vector_stores/{vector_store_id}/search",
        body=BodyKind.JSON,
        charge=ChargeBasis.UNKNOWN,
        of=_STORE,
    ),
    Operation(
        label="vector_stores.files.create",
        method="POST",
        path="/v1/vector_stores/{vector_store_id}/files",
        body=BodyKind.JSON,
        charge=ChargeBasis.LATER,
        of=_STORE,
    ),
    Operation(
        label="vector_stores.files.list", method="GET", path="/v1/vector_stores/{vector_store_id}/files", of=_STORE
    ),
    Operation(
        label="vector_stores.files.retrieve",
        method="GET",
        path="/v1/vector_stores/{vector_store_id}/files/{file_id}",
        of=_STORE,
    ),
    Operation(
        label="vector_stores.files.update",
        method="POST",
        path="/v1/vector_stores/{vector_store_id}/files/{file_id}",
        body=BodyKind.JSON,
        of=_STORE,
    ),
    Operation(
        label="vector_stores.files.delete",
        method="DELETE",
        path="/v1/vector_stores/{vector_store_id}/files/{file_id}",
        of=_STORE,
    ),
    Operation(
        label="vector_stores.files.content",
        method="GET",
        path="/v1/vector_stores/{vector_store_id}/files/{file_id}/content",
        of=_STORE,
    ),
    Operation(
        label="vector_stores.file_batches.create",
        method="POST",
        path="/v1/vector_stores/{vector_store_id}/file_batches",
        body=BodyKind.JSON,
        charge=ChargeBasis.LATER,
        of=_STORE,
    ),
    Operation(
        label="vector_stores.file_batches.retrieve",
        method="GET",
        path="/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}",
        of=_STORE,
    ),
    Operation(
        label="vector_stores.file_batches.cancel",
        method="POST",
        path="/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel",
        body=BodyKind.JSON,
        of=_STORE,
    ),
    Operation(
        label="vector_stores.file_batches.list_files",
        method="GET",
        path="/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/files",
        of=_STORE,
    ),
)
CONTAINERS = (
    Operation(
        label="containers.create",
        method="POST",
        path="/v1/containers",
        body=BodyKind.JSON,
        charge=ChargeBasis.CONTAINER,
        makes=ObjectKind.CONTAINER,
    ),
    Operation(label="containers.list", method="GET", path="/v1/containers", lists=ObjectKind.CONTAINER),
    Operation(label="containers.retrieve", method="GET", path="/v1/containers/{container_id}", of=_CONTAINER),
    Operation(
        label="containers.delete",
        method="DELETE",
        path="/v1/containers/{container_id}",
        deletes=ObjectKind.CONTAINER,
        of=_CONTAINER,
    ),
    Operation(
        label="containers.files.create",
        method="POST",
        path="/v1/containers/{container_id}/files",
        body=BodyKind.JSON_OR_MULTIPART,
        clock=OperationClock.TRANSFER,
        of=_CONTAINER,
    ),
    Operation(label="containers.files.list", method="GET", path="/v1/containers/{container_id}/files", of=_CONTAINER),
    Operation(
        label="containers.files.retrieve",
        method="GET",
        path="/v1/containers/{container_id}/files/{file_id}",
        of=_CONTAINER,
    ),
    Operation(
        label="containers.files.delete",
        method="DELETE",
        path="/v1/containers/{container_id}/files/{file_id}",
        of=_CONTAINER,
    ),
    Operation(
        label="containers.files.content",
        method="GET",
        path="/v1/containers/{container_id}/files/{file_id}/content",
        answer=AnswerContent.BYTES,
        clock=OperationClock.TRANSFER,
        of=_CONTAINER,
    ),
)
SKILLS = (
    Operation(
        label="skills.create",
        method="POST",
        path="/v1/skills",
        body=BodyKind.JSON_OR_MULTIPART,
        clock=OperationClock.TRANSFER,
        makes=ObjectKind.SKILL,
    ),
    Operation(label="skills.list", method="GET", path="/v1/skills", lists=ObjectKind.SKILL),
    Operation(label="skills.retrieve", method="GET", path="/v1/skills/{skill_id}", of=_SKILL),
    Operation(label="skills.update", method="POST", path="/v1/skills/{skill_id}", body=BodyKind.JSON, of=_SKILL),
    Operation(
        label="skills.delete", method="DELETE", path="/v1/skills/{skill_id}", deletes=ObjectKind.SKILL, of=_SKILL
    ),
    Operation(
        label="skills.content",
        method="GET",
        path="/v1/skills/{skill_id}/content",
        answer=AnswerContent.BYTES,
        clock=OperationClock.TRANSFER,
        of=_SKILL,
    ),
    Operation(
        label="skills.versions.create",
        method="POST",
        path="/v1/skills/{skill_id}/versions",
        body=BodyKind.JSON_OR_MULTIPART,
        clock=OperationClock.TRANSFER,
        of=_SKILL,
    ),
    Operation(label="skills.versions.list", method="GET", path="/v1/skills/{skill_id}/versions", of=_SKILL),
    Operation(
        label="skills.versions.retrieve", method="GET", path="/v1/skills/{skill_id}/versions/{version}", of=_SKILL
    ),
    Operation(
        label="skills.versions.delete", method="DELETE", path="/v1/skills/{skill_id}/versions/{version}", of=_SKILL
    ),
    Operation(
        label="skills.versions.content",
        method="GET",
        path="/v1/skills/{skill_id}/versions/{version}/content",
        answer=AnswerContent.BYTES,
        clock=OperationClock.TRANSFER,
        of=_SKILL,
    ),
)
