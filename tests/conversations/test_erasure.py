"""An end user's rows are deleted, those of others stay, and a second erasure finds nothing."""

import pytest

from tests.conversations.records import AT, completion, item, message, response, texts_of
from tidegate.conversations.documents.records import Conversation
from tidegate.conversations.erasure import ConversationEraser
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.core.clock import ManualClock
from tidegate.core.errors import ConversationNotFound, PreviousResponseNotFound, ResponseNotFound
from tidegate.storage.postgres import Postgres

NONE_LEFT = {"responses": 0, "completions": 0, "items": 0, "conversations": 0}
IMAGE = "data:image/png;base64," + "A" * 100_000


@pytest.fixture
def eraser(postgres: Postgres, clock: ManualClock) -> ConversationEraser:
    return ConversationEraser(postgres, clock)


async def row_count(postgres: Postgres, table: str) -> int:
    """Return the number of rows in a table."""
    async with postgres.connection() as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608  # the tests' own names


async def test_all_of_one_goes_with_what_was_theirs_alone(
    eraser: ConversationEraser,
    responses: ResponseStore,
    conversations: ConversationStore,
    completions: CompletionStore,
    postgres: Postgres,
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=AT), [message("msg_0", "no user said")])
    picture = item("msg_1", "message", role="user", content=[{"type": "input_image", "image_url": IMAGE}])
    ours = response("resp_1", conversation_id="conv_1", end_user="ada")
    await responses.save("shop", ours, [picture], [message("msg_2", "b", "assistant")])
    await responses.save("shop", response("resp_2", end_user="ada"), [message("msg_3", "c")], [])
    chained = response("resp_3", end_user="ada", previous_response_id="resp_2")
    await responses.save("shop", chained, [message("msg_4", "d")], [])
    await completions.save("shop", completion("c1", {"role": "user", "content": IMAGE}, end_user="ada"))
    result = {"responses": 3, "completions": 1, "items": 4, "conversations": 2}
    assert await eraser.count("shop", "ada") == result
    assert await eraser.erase("shop", "ada") == result
    assert await eraser.count("shop", "ada") == NONE_LEFT
    for table in ("conversations", "items", "responses", "completions", "parts"):
        assert await row_count(postgres, table) == 0
    with pytest.raises(ConversationNotFound):
        await conversations.get("shop", "conv_1")


async def test_what_only_they_went_on_from_goes_with_them(
    eraser: ConversationEraser, responses: ResponseStore, postgres: Postgres
) -> None:
    for name, previous, user in (("1", None, "bob"), ("2", "resp_1", "bob"), ("3", "resp_1", "ada")):
        say = response(f"resp_{name}", previous_response_id=previous, end_user=user)
        await responses.save("shop", say, [message(f"msg_{name}", user)], [])
    for name in ("1", "2"):
        await responses.delete("shop", f"resp_{name}")
    assert texts_of(await responses.history("shop", "resp_3")) == ["bob", "ada"]
    await eraser.erase("shop", "ada")
    for table in ("items", "conversations"):
        assert await row_count(postgres, table) == 0


async def test_others_keep_what_they_said(
    eraser: ConversationEraser, responses: ResponseStore, conversations: ConversationStore, completions: CompletionStore
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=AT))
    for n, user in enumerate(("ada", "bob", "ada")):
        say = response(f"resp_{n}", conversation_id="conv_1", end_user=user)
        await responses.save("shop", say, [message(f"msg_{n}", f"{n} by {user}")], [])
    await responses.save("bank", response("resp_0", end_user="ada"), [message("msg_0", "elsewhere")], [])
    await completions.save("shop", completion("c1", end_user="bob"))
    await eraser.erase("shop", "ada")
    assert texts_of(await conversations.history("shop", "conv_1")) == ["1 by bob"]
    assert (await completions.get("shop", "c1")).end_user == "bob"
    assert (await responses.get("bank", "resp_0")).end_user == "ada"
    with pytest.raises(ResponseNotFound):
        await responses.get("shop", "resp_0")


async def test_a_chain_that_another_goes_on_from_is_emptied(
    eraser: ConversationEraser, responses: ResponseStore, postgres: Postgres
) -> None:
    await responses.save("shop", response("resp_1", end_user="ada"), [message("msg_1", "a")], [])
    later = response("resp_2", previous_response_id="resp_1", end_user="ada")
    await responses.save("shop", later, [message("msg_2", "b")], [])
    forked = response("resp_3", previous_response_id="resp_1", end_user="bob")
    await responses.save("shop", forked, [message("msg_3", "c")], [])
    await eraser.erase("shop", "ada")
    assert texts_of(await responses.history("shop", "resp_3")) == ["c"]
    with pytest.raises(PreviousResponseNotFound):
        await responses.history("shop", "resp_1")
    assert await row_count(postgres, "items") == 1


async def test_names_are_those_of_the_ledger(eraser: ConversationEraser, responses: ResponseStore) -> None:
    long = "ada\0" + "x" * 5000
    await responses.save("shop", response("resp_1", end_user=long), [message("msg_1", "a")], [])
    assert (await responses.get("shop", "resp_1")).end_user == long.replace("\0", "")[:256]
    assert (await eraser.erase("shop", long))["responses"] == 1


async def test_a_response_that_another_is_given_goes_on(
    eraser: ConversationEraser, responses: ResponseStore, conversations: ConversationStore
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=AT))
    done = response("resp_1", conversation_id="conv_1", end_user="ada")
    await responses.save("shop", done, [message("msg_1", "a")], [])
    running = response("resp_2", conversation_id="conv_1", end_user="bob", status="queued", background=True)
    await responses.save("shop", running, [message("msg_2", "b")], [])
    await eraser.erase("shop", "ada")
    await responses.finish("shop", "resp_2", status="completed", document=b"{}", outputs=[message("msg_3", "c")])
    assert texts_of(await conversations.history("shop", "conv_1")) == ["b", "c"]
