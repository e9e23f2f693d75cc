"""Items are converted to rows within their bounds, and rows to items."""

from datetime import date

import msgspec
import pytest

from tests.conversations.records import decoded as plain_of
from tests.conversations.records import item, message
from tidegate.conversations.documents.records import MAX_ITEM_BYTES, ConversationItem
from tidegate.conversations.storage.rows import (
    metadata_column,
    postgres_text,
    released_parts,
    to_rows,
    without_orphaned_outputs,
)
from tidegate.core.errors import ItemTooLarge, NotStorable


def test_items_are_numbered_the_outputs_after_the_inputs() -> None:
    asked, said = message("msg_1", "a"), item("fc_1", "function_call", name="tide")
    item_rows = to_rows([asked], [said])
    rows = msgspec.json.decode(item_rows.rows)
    assert [(row["n"], row["id"], row["output"], row["type"], row["role"]) for row in rows] == [
        (1, "msg_1", False, "message", "user"),
        (2, "fc_1", True, "function_call", None),
    ]
    assert (item_rows.count, item_rows.size, item_rows.contents) == (2, len(asked.document) + len(said.document), {})


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (ConversationItem(id="msg_1", document=b" " * (MAX_ITEM_BYTES + 1)), ItemTooLarge),
        (ConversationItem(id="m" * 257, document=b"{}"), NotStorable),
        (ConversationItem(id="msg_1", document=b'{"a":"\xff"}'), NotStorable),
    ],
)
def test_what_cannot_be_kept_is_refused(bad: ConversationItem, error: type[Exception]) -> None:
    with pytest.raises(error):
        to_rows([bad])


def test_texts_are_such_as_postgresql_takes() -> None:
    assert postgres_text("a\0b\ud800ü") == "a\N{REPLACEMENT CHARACTER}b?ü"
    assert metadata_column({"a": "b\0"}) == '{"a":"b\\ufffd"}'


@pytest.mark.parametrize(
    ("kinds", "left"),
    [
        (["function_call_output", "function_call_output", "message"], ["message"]),
        (["mcp_approval_response", "function_call"], ["function_call"]),
        (["message", "function_call_output"], ["message", "function_call_output"]),
        (["function_call_output"], []),
        ([], []),
    ],
)
def test_what_answers_to_something_expired_is_left_out(kinds: list[str], left: list[str]) -> None:
    documents = [item("x", kind).document for kind in kinds]
    for lines in (documents, [b",\n".join(documents)] if documents else []):
        assert [plain_of(one)["type"] for one in without_orphaned_outputs(lines)] == left


def test_the_parts_of_deleted_rows_are_read_with_their_day() -> None:
    part = {"at": 1, "hash": "00", "data": True}
    column = msgspec.json.encode([{"parts": [part], "expires_on": day} for day in ("infinity", "2026-12-24")]).decode()
    assert [day for _, day in released_parts(column)] == [date.max, date(2026, 12, 24)]
    assert list(released_parts(None)) == []
