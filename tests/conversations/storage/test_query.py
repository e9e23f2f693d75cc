"""Queries are read in every form that the SDKs write, and values out of bounds are refused."""

import pytest

from tidegate.conversations.storage.query import StoredListQuery, read_query
from tidegate.core.errors import InvalidParameter

Pairs = list[tuple[str, str]]
REASONING, RESULTS = "reasoning.encrypted_content", "file_search_call.results"


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], StoredListQuery()),
        ([("limit", "5"), ("order", "asc"), ("after", "msg_1")], StoredListQuery(limit=5, order="asc", after="msg_1")),
        ([("limit", ""), ("after", "")], StoredListQuery()),
        ([("metadata[a]", "1"), ("metadata[b c]", "2")], StoredListQuery(metadata={"a": "1", "b c": "2"})),
        ([("include[]", REASONING), ("include[]", RESULTS)], StoredListQuery(include=frozenset({REASONING, RESULTS}))),
        ([("include", f"{REASONING},{RESULTS}")], StoredListQuery(include=frozenset({REASONING, RESULTS}))),
        ([("include[0]", REASONING)], StoredListQuery(include=frozenset({REASONING}))),
        ([("stream", "true"), ("starting_after", "7")], StoredListQuery(stream=True, starting_after=7)),
        ([("stream", "false"), ("include_obfuscation", "true")], StoredListQuery()),
        ([("model", "gpt-4o")], StoredListQuery(model="gpt-4o")),
    ],
)
def test_a_query_is_read(pairs: Pairs, expected: StoredListQuery) -> None:
    assert read_query(pairs) == expected


def test_the_order_is_the_routes_own_unless_said() -> None:
    assert read_query([], order="asc").order == "asc"
    assert read_query([("order", "desc")], order="asc").order == "desc"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "-1"),
        ("limit", "ten"),
        ("limit", "٣"),
        ("order", "up"),
        ("include[]", "everything"),
        ("stream", "maybe"),
        ("after", "\x00"),
        ("after", "msg 1"),
        ("after", "x" * 257),
        ("starting_after", "-1"),
        ("metadata", "x" * 2000),
        ("metadata[" + "k" * 65 + "]", "v"),
    ],
)
def test_what_is_out_of_bounds_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidParameter):
        read_query([(name, value)])


def test_a_flood_of_pairs_is_refused() -> None:
    with pytest.raises(InvalidParameter):
        read_query([("after", "x")] * 65)
