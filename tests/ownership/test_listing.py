"""A list's query is read with OpenAI's defaults, and its page is written in OpenAI's form."""

import json

import pytest

from tidegate.core.errors import InvalidParameter
from tidegate.ownership.listing import is_listed, list_answer, list_query
from tidegate.wire.operations.operation import ObjectKind


@pytest.mark.parametrize(
    ("kind", "limit", "descending"),
    [
        (ObjectKind.FILE, 10_000, True),
        (ObjectKind.BATCH, 20, True),
        (ObjectKind.EVAL, 20, False),
        (ObjectKind.VECTOR_STORE, 20, True),
    ],
)
def test_the_defaults(kind: ObjectKind, limit: int, descending: bool) -> None:
    query = list_query(kind, [])
    assert (query.limit, query.descending, query.after, query.before) == (limit, descending, None, None)


def test_what_is_requested() -> None:
    query = list_query(
        ObjectKind.FILE, [("limit", "3"), ("order", "asc"), ("after", "a"), ("before", "b"), ("purpose", "batch")]
    )
    assert (query.limit, query.descending, query.after, query.before) == (3, False, "a", "b")
    assert query.fields == {"purpose": "batch"}


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "-1"),
        ("limit", "x"),
        ("limit", "٣"),
        ("limit", "9" * 5000),
        ("order", "up"),
        ("order_by", "updated_at"),
    ],
)
def test_what_is_not_valid_is_named(param: str, value: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        list_query(ObjectKind.VECTOR_STORE, [(param, value)])
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("kind", "parameters", "document", "listed"),
    [
        (ObjectKind.FILE, [("purpose", "batch")], {"purpose": "batch"}, True),
        (ObjectKind.FILE, [("purpose", "batch")], {"purpose": "vision"}, False),
        (ObjectKind.FILE, [], {}, True),
        (ObjectKind.CONTAINER, [("name", "x")], {"name": "x"}, True),
        (ObjectKind.CONTAINER, [("purpose", "x")], {}, True),
        (ObjectKind.FINE_TUNING_JOB, [("metadata[a]", "1")], {"metadata": {"a": "1", "b": "2"}}, True),
        (ObjectKind.FINE_TUNING_JOB, [("metadata[a]", "1")], {"metadata": None}, False),
        (ObjectKind.FINE_TUNING_JOB, [("metadata[a]", "1")], {"metadata": "a"}, False),
        (ObjectKind.FILE, [("purpose", "batch")], ["batch"], False),
    ],
)
def test_filters(kind: ObjectKind, parameters: list[tuple[str, str]], document: object, listed: bool) -> None:
    assert is_listed(json.dumps(document).encode(), list_query(kind, parameters)) is listed


def test_a_page_keeps_each_objects_bytes() -> None:
    answer = list_answer([("a", b'{"id":"a", "n": 1.0}'), ("b", b'{"id":"b"}')], has_more=True)
    assert b'{"id":"a", "n": 1.0}' in answer
    page = json.loads(answer)
    assert (page["object"], page["first_id"], page["last_id"], page["has_more"]) == ("list", "a", "b", True)
    empty = json.loads(list_answer([], has_more=False))
    assert empty == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
