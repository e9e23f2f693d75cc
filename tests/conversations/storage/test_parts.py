"""A large part is stored once, however often it is used, and deleted with its last use."""

from typing import Any

import msgspec
import pytest

from tests.conversations.records import AT, decoded, ids, item, response
from tidegate.conversations.documents.records import Conversation, ConversationItem, History, PageRequest
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.storage.postgres import Postgres

IMAGE = "data:image/png;base64," + "iVBOR" * 40_000


def picture(id_: str) -> ConversationItem:
    """Return a message with the picture."""
    return item(id_, "message", role="user", content=[{"type": "input_image", "image_url": IMAGE}])


def shown(past: History) -> list[Any]:
    """Return the contents of the messages."""
    return [one["content"] for one in msgspec.json.decode(b"[" + b",".join(past.items) + b"]")]


async def uses(postgres: Postgres) -> list[int]:
    """Return the number of uses of each part."""
    async with postgres.connection() as connection:
        return [row["uses"] for row in await connection.fetch("SELECT uses FROM parts")]


async def test_a_part_is_kept_once_and_goes_with_its_last_use(
    responses: ResponseStore, conversations: ConversationStore, postgres: Postgres
) -> None:
    await responses.save("shop", response("resp_1"), [picture("msg_1"), picture("msg_2")], [])
    await conversations.create("shop", Conversation(id="conv_1", created_at=AT), [picture("msg_3")])
    assert await uses(postgres) == [3]
    history = await responses.history("shop", "resp_1")
    assert shown(history) == 2 * [decoded(picture("any").document)["content"]]
    await responses.delete("shop", "resp_1")
    assert await uses(postgres) == [1]
    assert shown(await conversations.history("shop", "conv_1")) == [decoded(picture("any").document)["content"]]
    await conversations.delete_item("shop", "conv_1", "msg_3")
    assert await uses(postgres) == []


async def test_projects_share_no_parts(conversations: ConversationStore, postgres: Postgres) -> None:
    for project in ("shop", "bank"):
        await conversations.create(project, Conversation(id="conv_1", created_at=AT), [picture("msg_1")])
    assert await uses(postgres) == [1, 1]


async def test_lists_leave_images_out_unless_they_are_asked_for(conversations: ConversationStore) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=AT), [picture("msg_1")])
    small = await conversations.items("shop", "conv_1", PageRequest())
    assert ids(small.items) == ["msg_1"]
    assert small.items[0].document == picture("msg_1").document.replace(f'"{IMAGE}"'.encode(), b"null")
    large = await conversations.items("shop", "conv_1", PageRequest(with_media=True))
    assert large.items[0].document == picture("msg_1").document


@pytest.mark.slow
async def test_thirty_two_megabytes_come_back(responses: ResponseStore) -> None:
    large = item("msg_1", "message", role="user", content="A" * (32 * 1024 * 1024 - 100))
    await responses.save("shop", response("resp_1"), [large], [])
    assert shown(await responses.history("shop", "resp_1")) == [decoded(large.document)["content"]]
