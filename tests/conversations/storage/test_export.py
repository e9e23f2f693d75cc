"""An export has every stored row of a project, or of one end user only, byte for byte."""

from typing import Any

import msgspec
import pytest

from tests.conversations.records import AT, completion, item, message, response
from tidegate.conversations.documents.records import Conversation
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.conversations.storage.export import ConversationExport
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import StoreBase

IMAGE = "data:image/png;base64," + "A" * 100_000
PICTURE = item("msg_p", "message", role="user", content=[{"type": "input_image", "image_url": IMAGE}])
NUL = item("msg_n", "message", role="user", content="a\0b")


@pytest.fixture
async def export(
    store_base: StoreBase, responses: ResponseStore, conversations: ConversationStore, completions: CompletionStore
) -> ConversationExport:
    named = Conversation(id="conv_1", created_at=AT, metadata={"topic": "tides"})
    await conversations.create("shop", named, [PICTURE, NUL, *(message(f"msg_{n}", str(n)) for n in range(15))])
    for n, user in enumerate(("ada", "bob")):
        say = response(f"resp_{n}", conversation_id="conv_1", end_user=user)
        await responses.save("shop", say, [message(f"msg_{user}", user)], [])
        await completions.save("shop", completion(f"c{n}", {"role": "user", "content": IMAGE}, end_user=user))
    await responses.save("shop", response("resp_2", end_user="bob"), [message("msg_x", "x")], [])
    await responses.save("bank", response("resp_1"), [message("msg_1", "elsewhere")], [])
    return ConversationExport(store_base)


async def lines(export: ConversationExport, *asked: str) -> list[dict[str, Any]]:
    """Return the decoded lines."""
    return [msgspec.json.decode(line) async for line in export.lines(*asked)]


async def test_a_project_is_exported_whole(export: ConversationExport) -> None:
    said = await lines(export, "shop")
    kinds = [line["kind"] for line in said]
    assert [kinds.count(kind) for kind in ("conversation", "chain", "item", "response", "completion")] == [
        1,
        1,
        20,
        3,
        2,
    ]
    named = next(line for line in said if line["kind"] == "conversation")
    assert (named["id"], named["metadata"]) == ("conv_1", {"topic": "tides"})
    items = [line for line in said if line["kind"] == "item" and line["conversation"] == "conv_1"]
    assert [line["n"] for line in items] == list(range(1, 20))
    assert items[0]["item"] == msgspec.json.decode(PICTURE.document)
    assert items[1]["item"] == msgspec.json.decode(NUL.document)
    assert said[-1]["messages"] == [{"role": "user", "content": IMAGE}]


async def test_an_end_users_export_has_nothing_that_others_said(export: ConversationExport) -> None:
    said = await lines(export, "shop", "ada")
    assert {line.get("end_user") for line in said} == {None, "ada"}
    assert [line["id"] for line in said if line["kind"] in ("response", "completion")] == ["resp_0", "c0"]
    assert [line["id"] for line in said if line["kind"] in ("conversation", "chain")] == ["conv_1"]
    assert sum(line["kind"] == "item" for line in said) == 18
    assert await lines(export, "shop", "nobody") == []


async def test_what_was_deleted_and_is_still_there_is_exported_and_marked(
    export: ConversationExport, conversations: ConversationStore
) -> None:
    await conversations.delete_item("shop", "conv_1", "msg_ada")
    items = [line for line in await lines(export, "shop", "ada") if line["kind"] == "item"]
    assert [line["item"]["id"] for line in items if line["deleted"]] == ["msg_ada"], "a response has it still"
    await conversations.delete("shop", "conv_1")
    said = await lines(export, "shop", "ada")
    assert [(line["id"], line["deleted"]) for line in said if line["kind"] == "conversation"] == [("conv_1", True)]
    assert "msg_ada" in [line["item"]["id"] for line in said if line["kind"] == "item"]
