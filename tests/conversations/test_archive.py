"""What is written for a day without a partition is written once the partition is made."""

import pytest

from tests.conversations.said import AT, completion, message, response, said
from tidegate.connections.postgres import Postgres
from tidegate.conversations.archive import Archive
from tidegate.conversations.completion_store import CompletionStore
from tidegate.conversations.conversation_store import ConversationStore
from tidegate.conversations.documents import Conversation
from tidegate.conversations.response_store import ResponseStore


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
    assert said(await responses.history("shop", "resp_1")) == ["a"]
    assert said(await conversations.past("shop", "conv_1")) == ["b"]
    assert (await completions.get("shop", "c1")).id == "c1"


def test_the_day_is_utc(archive: Archive) -> None:
    assert archive.today().isoformat() == "2026-09-21"
    assert archive.now() == AT
