"""Items derive their type and role from their document, and fall back to defaults."""

import msgspec
import pytest

from tests.conversations.records import response
from tidegate.conversations.documents.records import ConversationItem, metadata_of


def test_an_item_is_read_from_its_document() -> None:
    document = b'{"id":"rs_1","type":"reasoning","summary":[]}'
    assert ConversationItem.from_document(document) == ConversationItem(
        id="rs_1", type="reasoning", role=None, document=document
    )
    assert ConversationItem.from_document(b'{"id":"msg_1","role":"user","content":"hi"}').type == "message"
    with pytest.raises(msgspec.DecodeError):
        ConversationItem.from_document(b'{"type":"reasoning"}')


@pytest.mark.parametrize(
    ("status", "running"), [("queued", True), ("in_progress", True), ("completed", False), ("cancelled", False)]
)
def test_a_response_runs_until_it_has_ended(status: str, running: bool) -> None:
    assert response("resp_1", status=status).running is running


@pytest.mark.parametrize(("value", "pairs"), [({"a": "b", "c": 1}, {"a": "b"}), (None, {}), ("x", {})])
def test_metadata_are_pairs_of_text(value: object, pairs: dict[str, str]) -> None:
    assert metadata_of(value) == pairs
