"""Conversations of all projects are listed by index and read page by page, as text."""

import pytest

from tests.conversations.records import AT, completion, message, response
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.reading import MAX_TEXT_LENGTH, ConversationReading
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.core.clock import ManualClock
from tidegate.storage.postgres import Postgres

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
async def reading(
    postgres: Postgres, responses: ResponseStore, completions: CompletionStore, clock: ManualClock
) -> ConversationReading:
    tide = [message("msg_1", SCRIPT)], [message("msg_2", "x" * (MAX_TEXT_LENGTH + 1), "assistant")]
    await responses.save("shop", response("resp_1", end_user="ada", created_at=clock.now()), *tide)
    clock.advance(60)
    await responses.save("bank", response("resp_2", created_at=clock.now()), [message("msg_3", "Boats?")], [])
    said = completion("c1", {"role": "user", "content": "The low tide"}, created_at=AT + 120, answer="At six.")
    await completions.save("shop", said)
    return ConversationReading(postgres)


async def test_the_newest_come_first_with_their_begin(reading: ConversationReading) -> None:
    lines = await reading.list(project=None, before=None, limit=10)
    assert [(line.project, line.begins) for line in lines] == [("bank", "Boats?"), ("shop", SCRIPT)]
    assert [line.project for line in await reading.list(project="shop", before=None, limit=10)] == ["shop"]
    assert [line.project for line in await reading.list(project=None, before=lines[0].created_at, limit=10)] == ["shop"]
    assert await reading.list(project="nothing", before=None, limit=10) == []


async def test_items_are_read_in_pages_and_long_ones_are_cut(reading: ConversationReading) -> None:
    (line,) = await reading.list(project="shop", before=None, limit=10)
    found = await reading.find(line.id, None)
    assert found is not None
    first, second = await reading.items(found, after=0, limit=10)
    assert (first.text, first.role, first.output, first.end_user) == (SCRIPT, "user", False, "ada")
    assert (len(second.text), second.is_cut, second.output) == (MAX_TEXT_LENGTH, True, True)
    assert [item.id for item in await reading.items(found, after=first.n, limit=10)] == ["msg_2"]


async def test_a_stored_completion_is_read_too(reading: ConversationReading) -> None:
    found = await reading.find("c1", "shop")
    assert found is not None
    assert found.kind == "completion"
    assert [(item.role, item.text, item.output) for item in await reading.items(found, after=0, limit=10)] == [
        ("user", "The low tide", False), ("assistant", "At six.", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("conversation", "project"), [("c1", "bank"), ("nothing", None), ("\0", None), ("x" * 10_000, None)]
)
async def test_what_is_not_there_is_not_found(
    reading: ConversationReading, conversation: str, project: str | None
) -> None:
    assert await reading.find(conversation, project) is None
