"""Writing for a day without a partition creates it, and items that are no longer reachable are deleted."""

import pytest

from tests.conversations.records import AT, completion, message, response, texts_of
from tidegate.conversations.documents.records import Conversation
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.storage.postgres import Postgres


@pytest.mark.parametrize("days", [1, 400])
async def test_the_first_row_of_a_week_makes_its_partition(
    responses: ResponseStore,
    conversations: ConversationStore,
    completions: CompletionStore,
    postgres: Postgres,
    days: int,
) -> None:
    async with postgres.connection() as connection:
        await connection.execute("UPDATE projects SET retention_days = $1 WHERE id = 'shop'", days)
    await responses.save("shop", response("resp_1"), [message("msg_1", "a")], [])
    await conversations.create("shop", Conversation(id="conv_1", created_at=AT), [message("msg_2", "b")])
    await completions.save("shop", completion("c1"))
    assert texts_of(await responses.history("shop", "resp_1")) == ["a"]
    assert texts_of(await conversations.history("shop", "conv_1")) == ["b"]
    assert (await completions.get("shop", "c1")).id == "c1"


def test_the_day_is_utc(store_base: StoreBase) -> None:
    assert store_base.today().isoformat() == "2026-09-21"
    assert store_base.now() == AT


async def row_counts(store_base: StoreBase) -> dict[str, int]:
    """Return the number of rows in each table."""
    tables = ("conversations", "items", "parts")
    async with store_base.rows.transaction("shop") as connection:
        return {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables}  # noqa: S608  # ours


async def test_a_tree_of_responses_goes_with_the_last_of_them(store_base: StoreBase, responses: ResponseStore) -> None:
    for name, previous in (("1", None), ("2", "1"), ("3", "1"), ("4", "3"), ("5", "3")):
        before = f"resp_{previous}" if previous else None
        asked = [message(f"msg_{name}", name * 100_000)]
        await responses.save("shop", response(f"resp_{name}", previous_response_id=before), asked, [])
    for name in ("1", "3", "2", "4"):
        await responses.delete("shop", f"resp_{name}")
    kept = await responses.history("shop", "resp_5")
    assert texts_of(kept) == [name * 100_000 for name in ("1", "3", "5")], "what it goes on from is whole"
    assert (await row_counts(store_base))["items"] == 3
    await responses.delete("shop", "resp_5")
    assert await row_counts(store_base) == {"conversations": 0, "items": 0, "parts": 0}


@pytest.mark.parametrize("answered", [False, True])
async def test_a_deleted_conversation_goes_with_its_last_response(
    store_base: StoreBase, conversations: ConversationStore, responses: ResponseStore, answered: bool
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=AT), [message("msg_1", "a" * 100_000)])
    if answered:
        await responses.save("shop", response("resp_1", conversation_id="conv_1"), [message("msg_2", "b")], [])
        await responses.save("shop", response("resp_2", previous_response_id="resp_1"), [message("msg_3", "c")], [])
    await conversations.add_items("shop", "conv_1", [message("msg_4", "d")])
    await conversations.delete("shop", "conv_1")
    if answered:
        assert texts_of(await responses.history("shop", "resp_2")) == ["a" * 100_000, "b", "c"]
        assert (await row_counts(store_base))["items"] == 3, "what came after the last response is nobody's"
        for name in ("resp_1", "resp_2"):
            await responses.delete("shop", name)
    assert await row_counts(store_base) == {"conversations": 0, "items": 0, "parts": 0}


async def test_a_very_long_one_goes_in_pieces(
    store_base: StoreBase, conversations: ConversationStore, responses: ResponseStore, postgres: Postgres
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=AT), [message("msg_0", "a")])
    await responses.save("shop", response("resp_1", conversation_id="conv_1"), [message("msg_1", "b")], [])
    async with postgres.connection() as connection:
        await connection.execute(
            "INSERT INTO items (project, conversation, seq, expires_on, id, output, at, type, size, document) "
            "SELECT project, conversation, n, expires_on, 'msg_' || n, output, at, type, size, document "
            "FROM items, generate_series(3, 2500) AS n WHERE id = 'msg_1'"
        )
        await connection.execute("UPDATE conversations SET last_seq = 2500, size = 2500 * size / 2")
    await conversations.delete("shop", "conv_1")
    assert (await row_counts(store_base))["items"] == 2
    await responses.delete("shop", "resp_1")
    assert await row_counts(store_base) == {"conversations": 0, "items": 0, "parts": 0}


@pytest.mark.parametrize("first", ["item", "response"])
async def test_an_item_goes_once_neither_its_conversation_nor_its_response_has_it(
    store_base: StoreBase, conversations: ConversationStore, responses: ResponseStore, first: str
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=AT))
    asked = [message("msg_1", "a" * 100_000), message("msg_2", "b")]
    await responses.save("shop", response("resp_1", conversation_id="conv_1"), asked, [])
    acts = [conversations.delete_item("shop", "conv_1", "msg_1"), responses.delete("shop", "resp_1")]
    for act in acts if first == "item" else reversed(acts):
        await act
    assert await row_counts(store_base) == {"conversations": 1, "items": 1, "parts": 0}
    assert texts_of(await conversations.history("shop", "conv_1")) == ["b"]
