"""What an upstream says it made is found, and what a caller wrote into an object is not."""

import json
from typing import Any

import pytest

from tidegate.ownership.derived_objects import MAX_ANSWER_BYTES, derived_objects, made_object
from tidegate.wire.operations.operation import ObjectKind

BATCH = {
    "id": "batch_1",
    "object": "batch",
    "output_file_id": "file-out",
    "error_file_id": None,
    "metadata": {"output_file_id": "file-theirs", "object": "upload", "file": {"id": "file-theirs"}},
}


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (BATCH, [("file-out", ObjectKind.FILE)]),
        ({"object": "list", "data": [BATCH, BATCH, 7, None]}, [("file-out", ObjectKind.FILE)] * 2),
        (
            {"object": "fine_tuning.job", "fine_tuned_model": "ft:a", "result_files": ["file-r"], "training_file": "t"},
            [("ft:a", ObjectKind.MODEL), ("file-r", ObjectKind.FILE)],
        ),
        (
            {
                "object": "list",
                "data": [{"object": "fine_tuning.job.checkpoint", "fine_tuned_model_checkpoint": "ft:c"}],
            },
            [("ft:c", ObjectKind.MODEL)],
        ),
        ({"object": "upload", "file": {"id": "file-u", "created_at": 5}}, [("file-u", ObjectKind.FILE)]),
        ({"object": "vector_store", "file_id": "file-x"}, []),
        ({"object": "list", "data": "file-x"}, []),
        ({"object": ["batch"], "output_file_id": "file-x"}, []),
        (["batch"], []),
    ],
)
def test_the_upstreams_own_fields_are_read(answer: Any, found: list[tuple[str, ObjectKind]]) -> None:
    assert [(one.id, one.kind) for one in derived_objects(json.dumps(answer).encode())] == found


@pytest.mark.parametrize(
    "answer", [b"", b'{"object"', b'{"object":' + b"[" * 9999, b'"object"' + b" " * MAX_ANSWER_BYTES]
)
def test_what_cannot_be_read_made_nothing(answer: bytes) -> None:
    assert list(derived_objects(answer)) == []


def test_the_new_object_has_its_time_and_a_file_its_document() -> None:
    answer = b'{"id":"file-1","object":"file","created_at":1700000000}'
    made = made_object(answer, ObjectKind.FILE, ("id",))
    assert made is not None
    assert (made.id, made.created_at, made.document) == ("file-1", 1_700_000_000.0, answer)
    nested = made_object(b'{"file":{"id":"file-2"}}', ObjectKind.FILE, ("file", "id"))
    assert nested is not None
    assert (nested.id, nested.created_at, nested.document) == ("file-2", None, None)
    batch = made_object(b'{"id":"batch_1"}', ObjectKind.BATCH, ("id",))
    assert batch is not None
    assert batch.document is None


@pytest.mark.parametrize(
    "answer", [b"", b"{}", b"[]", b'{"id":7}', b'{"id":""}', b'{"id":"\\u0000"}', b'{"file":null}']
)
def test_an_answer_without_an_id_made_nothing(answer: bytes) -> None:
    assert made_object(answer, ObjectKind.FILE, ("id",)) is None
    assert made_object(answer, ObjectKind.FILE, ("file", "id")) is None
