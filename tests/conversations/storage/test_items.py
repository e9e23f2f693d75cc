"""Items are found by their ids in any conversation of the project, whole, and in no other project."""

from tests.conversations.said import ids, message, response
from tidegate.conversations.documents.records import Conversation
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.conversations.storage.items import ItemStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import StoreBase


async def test_items_are_found_wherever_they_were_said(
    archive: StoreBase, responses: ResponseStore, conversations: ConversationStore
) -> None:
    await responses.save("shop", response("resp_1"), [message("msg_1", "One")], [message("msg_2", "Two", "assistant")])
    await conversations.create("shop", Conversation(id="conv_1", created_at=1.0), [message("msg_3", "Three")])
    items = ItemStore(archive)
    assert sorted(ids(await items.find("shop", ["msg_3", "msg_2", "msg_9"]))) == ["msg_2", "msg_3"]
    assert await items.find("bank", ["msg_1", "msg_2", "msg_3"]) == ()
    assert await items.find("shop", []) == ()


async def test_a_large_item_is_found_whole(archive: StoreBase, responses: ResponseStore) -> None:
    large = message("msg_1", "x" * 300_000)
    await responses.save("shop", response("resp_1"), [large], [])
    (found,) = await ItemStore(archive).find("shop", ["msg_1"])
    assert len(found.document) >= 300_000
