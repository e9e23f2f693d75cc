"""A conversation has a name, metadata and items, which come in pages and stay in order."""

import pytest

from tests.conversations.records import AT, ids, item, message, response, texts_of
from tidegate.conversations.documents.records import Conversation, ConversationItem, PageRequest
from tidegate.conversations.storage.conversations import ConversationStore, ItemStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core.errors import ConversationNotFound, ItemNotFound, ObjectNotFound, TooManyItems

NAMED = Conversation(id="conv_1", created_at=AT, metadata={"topic": "tides"})


def many(count: int) -> list[ConversationItem]:
    """Return `count` messages, from msg_0 on."""
    return [message(f"msg_{n}", str(n)) for n in range(count)]


async def test_a_conversation_is_made_changed_and_deleted(conversations: ConversationStore) -> None:
    await conversations.create("shop", NAMED, [message("msg_1", "When?")])
    assert await conversations.get("shop", "conv_1") == NAMED
    changed = await conversations.update("shop", "conv_1", {"topic": "boats"})
    assert changed.metadata == {"topic": "boats"}
    assert await conversations.get("shop", "conv_1") == changed
    await conversations.delete("shop", "conv_1")
    with pytest.raises(ConversationNotFound):
        await conversations.get("shop", "conv_1")


async def test_its_items_come_in_pages_of_either_order(conversations: ConversationStore) -> None:
    await conversations.create("shop", NAMED, many(20))
    await conversations.add_items("shop", "conv_1", [message("msg_20", "20")])
    pages = {
        PageRequest(limit=2): (["msg_20", "msg_19"], True),
        PageRequest(limit=2, after="msg_2"): (["msg_1", "msg_0"], False),
        PageRequest(limit=2, descending=False): (["msg_0", "msg_1"], True),
        PageRequest(limit=2, after="msg_19", descending=False): (["msg_20"], False),
        PageRequest(after="msg_0"): ([], False),
    }
    for ask, expected in pages.items():
        page = await conversations.items("shop", "conv_1", ask)
        assert (ids(page.items), page.has_more) == expected


async def test_what_does_not_exist_is_said_to_be_missing(conversations: ConversationStore) -> None:
    with pytest.raises(ConversationNotFound):
        await conversations.history("shop", "conv_1")
    with pytest.raises(ConversationNotFound):
        await conversations.items("shop", "conv_1", PageRequest())
    with pytest.raises(ConversationNotFound):
        await conversations.add_items("shop", "conv_1", [message("msg_1", "a")])
    with pytest.raises(ConversationNotFound):
        await conversations.update("shop", "conv_1", {})
    with pytest.raises(ConversationNotFound):
        await conversations.delete("shop", "conv_1")
    await conversations.create("shop", NAMED)
    assert (await conversations.history("shop", "conv_1")).items == ()
    assert (await conversations.items("shop", "conv_1", PageRequest())).items == ()
    for act in (conversations.get_item, conversations.delete_item):
        with pytest.raises(ItemNotFound):
            await act("shop", "conv_1", "msg_1")
    with pytest.raises(ItemNotFound):
        await conversations.items("shop", "conv_1", PageRequest(after="msg_1"))


async def test_a_chain_of_responses_is_no_conversation(
    conversations: ConversationStore, responses: ResponseStore
) -> None:
    await responses.save("shop", response("resp_1"), [message("msg_1", "a")], [])
    async with conversations._base.rows.transaction("shop") as connection:  # noqa: SLF001  # its name is told nobody
        name = await connection.fetchval("SELECT id FROM conversations")
    for act in (conversations.get, conversations.history, conversations.delete):
        with pytest.raises(ConversationNotFound):
            await act("shop", name)
    with pytest.raises(ConversationNotFound):
        await conversations.items("shop", name, PageRequest())
    with pytest.raises(ConversationNotFound):
        await conversations.get_item("shop", name, "msg_1")


async def test_twenty_items_at_once_and_no_more(conversations: ConversationStore) -> None:
    with pytest.raises(TooManyItems):
        await conversations.create("shop", NAMED, many(21))
    await conversations.create("shop", NAMED)
    with pytest.raises(TooManyItems):
        await conversations.add_items("shop", "conv_1", many(21))


async def test_an_item_is_deleted_from_the_conversation(conversations: ConversationStore) -> None:
    await conversations.create("shop", NAMED, many(3))
    before = await conversations.history("shop", "conv_1")
    assert (await conversations.get_item("shop", "conv_1", "msg_1")).id == many(3)[1].id
    assert await conversations.delete_item("shop", "conv_1", "msg_1") == NAMED
    after = await conversations.history("shop", "conv_1")
    assert texts_of(after) == ["0", "2"]
    assert after.version != before.version
    await conversations.add_items("shop", "conv_1", [message("msg_3", "3")])
    assert texts_of(await conversations.history("shop", "conv_1")) == ["0", "2", "3"]


@pytest.mark.parametrize("descending", [False, True])
async def test_who_pages_comes_to_an_end_also_where_an_item_was_said_twice(
    conversations: ConversationStore, descending: bool
) -> None:
    twice = item("rs_1", "reasoning", summary=[])  # an id of the upstream, which is not replaced
    await conversations.create("shop", NAMED, [message("msg_1", "a"), twice, message("msg_2", "b"), twice])
    ask, pages = PageRequest(limit=1, descending=descending), 1
    while (page := await conversations.items("shop", "conv_1", ask)).has_more:
        ask = PageRequest(limit=1, descending=descending, after=page.items[-1].id)
        pages += 1
        assert pages <= 4


async def test_items_survive_their_conversation_in_the_responses_that_have_them(
    conversations: ConversationStore, responses: ResponseStore
) -> None:
    await conversations.create("shop", NAMED, [message("msg_0", "0")])
    say = response("resp_1", conversation_id="conv_1")
    await responses.save("shop", say, [message("msg_1", "a")], [message("msg_2", "b", "assistant")])
    asked = [ids((await responses.input_items("shop", "resp_1", PageRequest())).items)]
    await conversations.delete_item("shop", "conv_1", "msg_0")
    await conversations.delete_item("shop", "conv_1", "msg_2")
    assert ids((await responses.get("shop", "resp_1")).output) == ["msg_2"]
    await conversations.delete("shop", "conv_1")
    assert ids((await responses.get("shop", "resp_1")).output) == ["msg_2"]
    asked.append(ids((await responses.input_items("shop", "resp_1", PageRequest())).items))
    assert asked == [["msg_1", "msg_0"], ["msg_1"]]


async def test_another_project_has_none_of_it(conversations: ConversationStore) -> None:
    await conversations.create("shop", NAMED, [message("msg_1", "a")])
    for act in (
        conversations.get("bank", "conv_1"),
        conversations.update("bank", "conv_1", {}),
        conversations.delete("bank", "conv_1"),
        conversations.history("bank", "conv_1"),
        conversations.items("bank", "conv_1", PageRequest()),
        conversations.add_items("bank", "conv_1", [message("msg_2", "b")]),
        conversations.get_item("bank", "conv_1", "msg_1"),
        conversations.delete_item("bank", "conv_1", "msg_1"),
    ):
        with pytest.raises(ObjectNotFound):
            await act
    await conversations.create("bank", NAMED)
    assert (await conversations.history("bank", "conv_1")).items == ()
    assert texts_of(await conversations.history("shop", "conv_1")) == ["a"]


async def test_items_are_found_wherever_they_were_said(
    store_base: StoreBase, responses: ResponseStore, conversations: ConversationStore
) -> None:
    await responses.save("shop", response("resp_1"), [message("msg_1", "One")], [message("msg_2", "Two", "assistant")])
    await conversations.create("shop", Conversation(id="conv_1", created_at=1.0), [message("msg_3", "Three")])
    items = ItemStore(store_base)
    assert sorted(ids(await items.find("shop", ["msg_3", "msg_2", "msg_9"]))) == ["msg_2", "msg_3"]
    assert await items.find("bank", ["msg_1", "msg_2", "msg_3"]) == ()
    assert await items.find("shop", []) == ()


async def test_a_large_item_is_found_whole(store_base: StoreBase, responses: ResponseStore) -> None:
    large = message("msg_1", "x" * 300_000)
    await responses.save("shop", response("resp_1"), [large], [])
    (result,) = await ItemStore(store_base).find("shop", ["msg_1"])
    assert len(result.document) >= 300_000
