"""An id is told from a word by its shape, and from a text by its key."""

import pytest

from tidegate.ownership.id_shapes import is_fine_tuned, kind_named, kind_of_shape
from tidegate.wire.operations.operation import ObjectKind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("file-BK7bzQj3FfZFXr7DbL6xJwfo", ObjectKind.FILE),
        ("file_67f1a2b3c4d5e6f7", ObjectKind.FILE),
        ("assistant-Lk3jH2gF1dS0", ObjectKind.FILE),
        ("upload_abc123", ObjectKind.UPLOAD),
        ("batch_67f1a2b3c4d5e6f7a8b9c0d1", ObjectKind.BATCH),
        ("vs_abc123", ObjectKind.VECTOR_STORE),
        ("ftjob-abc123", ObjectKind.FINE_TUNING_JOB),
        ("cntr_682e30645a488191b6363a0cbefc0f0a025ec61b66250591", ObjectKind.CONTAINER),
        ("video_123abc", ObjectKind.VIDEO),
        ("eval_67abd54d9b0081909a86353f6fb9317a", ObjectKind.EVAL),
        ("skill_abcdefghijklmnopqrstuvwxyz", ObjectKind.SKILL),
        ("voice_1234", ObjectKind.VOICE),
        ("cons_1234", ObjectKind.VOICE_CONSENT),
        ("ft:gpt-4o-mini-2024-07-18:acme::7q8mpxmy", ObjectKind.MODEL),
        ("curie:ft-acme-2023-01-01-00-00-00", ObjectKind.MODEL),
        ("file_search", None),
        ("file_search_call", None),
        ("skill_reference", None),
        ("video_url", None),
        ("evalrun_abc123", None),
        ("file-", None),
        ("see file-BK7bzQj3FfZFXr7DbL6xJwfo", None),
        ("gpt-4o-mini", None),
        ("", None),
    ],
)
def test_a_shape_tells_the_kind(text: str, kind: ObjectKind | None) -> None:
    assert kind_of_shape(text) is kind
    assert is_fine_tuned(text) is (kind is ObjectKind.MODEL)


@pytest.mark.parametrize(
    ("key", "holder", "text", "kind"),
    [
        ("file_id", "", "any-shape", ObjectKind.FILE),
        ("vector_store_ids", "tools", "7", ObjectKind.VECTOR_STORE),
        ("id", "video", "7", ObjectKind.VIDEO),
        ("id", "input", "msg_1", None),
        ("id", "source", "file-abc123", ObjectKind.FILE),
        ("model", "", "ft:gpt-4o:a::b1", ObjectKind.MODEL),
        ("model", "", "gpt-4o", None),
        ("voice", "", "alloy", None),
        ("text", "content", "file-abc123", None),
        ("anything", "", "vs_abc123", ObjectKind.VECTOR_STORE),
        ("file_id", "annotations", "cfile_abc123", None),
        ("file_id", "", "", None),
    ],
)
def test_a_key_tells_a_name_from_a_text(key: str, holder: str, text: str, kind: ObjectKind | None) -> None:
    assert kind_named(key, holder, text) is kind
