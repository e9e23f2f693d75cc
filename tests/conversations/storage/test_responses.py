"""Responses form chains of any shape, are turns of conversations, and come back byte for byte."""

import asyncio

import msgspec
import pytest

from tests.conversations.records import AT, decoded, ids, item, message, response, texts_of
from tests.eventually import wait_until_async
from tidegate.conversations.documents.items import compaction_item, upstream_items
from tidegate.conversations.documents.records import Conversation, ConversationItem, PageRequest
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core.errors import (
    ConversationLocked,
    ConversationNotFound,
    ItemNotFound,
    PreviousResponseNotFound,
    ResponseNotFound,
)
from tidegate.core.ids import new_id
from tidegate.storage.postgres import Postgres


async def turn(store: ResponseStore, id_: str, **fields: object) -> None:
    """Save a turn of one question and one answer, named after the response."""
    asked, said = message(f"msg_{id_}_q", f"question {id_}"), message(f"msg_{id_}_a", f"answer {id_}", "assistant")
    await store.save("shop", response(f"resp_{id_}", **fields), [asked], [said])


async def test_a_response_comes_back_with_its_output(responses: ResponseStore) -> None:
    saved = response("resp_1", end_user="ada", request_id="req_1", metadata={"a": "b"}, created_at=AT)
    output = [item("rs_1", "reasoning", summary=[]), message("msg_2", "At noon.", "assistant")]
    await responses.save("shop", saved, [message("msg_1", "When?")], output)
    result = await responses.get("shop", "resp_1")
    assert ids(result.output) == ["rs_1", "msg_2"]
    assert [decoded(one.document) for one in result.output] == [decoded(one.document) for one in output]
    assert decoded(result.document) == decoded(saved.document)
    assert (result.end_user, result.request_id, result.metadata, result.created_at) == ("ada", "req_1", {"a": "b"}, AT)
    assert (result.previous_response_id, result.conversation_id, result.status) == (None, None, "completed")


async def test_a_chain_of_any_shape_tells_its_whole_history(responses: ResponseStore) -> None:
    await turn(responses, "1")
    await turn(responses, "2", previous_response_id="resp_1")
    await turn(responses, "3", previous_response_id="resp_2")
    await turn(responses, "2b", previous_response_id="resp_1")
    await turn(responses, "3b", previous_response_id="resp_2b")
    await turn(responses, "3c", previous_response_id="resp_2b")
    for name, turns in {
        "1": ["1"],
        "2": ["1", "2"],
        "3": ["1", "2", "3"],
        "2b": ["1", "2b"],
        "3b": ["1", "2b", "3b"],
        "3c": ["1", "2b", "3c"],
    }.items():
        history = await responses.history("shop", f"resp_{name}")
        assert texts_of(history) == [f"{end} {one}" for one in turns for end in ("question", "answer")]


async def test_what_was_said_comes_back_as_an_upstream_that_keeps_nothing_takes_it(responses: ResponseStore) -> None:
    asked: list[ConversationItem] = [
        message("msg_1", "When?"),
        item("msg_2", "message", role="user", status="completed", content="none: \0\n,\n a line"),
        item("rs_1", "reasoning", status="completed", summary=[]),
        item("rs_2", "reasoning", status="completed", summary=[], encrypted_content="gAAAA"),
        item("fc_1", "function_call", status="completed", call_id="call_1", name="tide", arguments='{"id": "a"}'),
        item("fco_1", "function_call_output", status="completed", call_id="call_1", output="null"),
        item("ws_1", "web_search_call", status="completed", action={"type": "search"}),
        ConversationItem.from_document(
            msgspec.json.encode(compaction_item([{"type": "message", "role": "user", "content": "Hello"}], new_id))
        ),
        item("msg_3", "message", role="user", status="completed", content="x" * 100_000),
    ]
    await responses.save("shop", response("resp_1"), asked, [])
    results = msgspec.json.decode(b"[" + b",".join((await responses.history("shop", "resp_1")).items) + b"]")
    assert results == upstream_items(decoded(one.document) for one in asked)


async def test_two_who_go_on_from_one_response_at_once_get_a_chain_each(responses: ResponseStore) -> None:
    await turn(responses, "1")
    await asyncio.gather(*(turn(responses, f"2{n}", previous_response_id="resp_1") for n in range(4)))
    for n in range(4):
        history = await responses.history("shop", f"resp_2{n}")
        assert texts_of(history) == ["question 1", "answer 1", f"question 2{n}", f"answer 2{n}"]


async def test_what_does_not_exist_is_said_to_be_missing(responses: ResponseStore) -> None:
    with pytest.raises(PreviousResponseNotFound):
        await responses.history("shop", "resp_none")
    with pytest.raises(PreviousResponseNotFound):
        await turn(responses, "1", previous_response_id="resp_none")
    with pytest.raises(ConversationNotFound):
        await turn(responses, "1", conversation_id="conv_none")
    for act in (responses.get, responses.delete):
        with pytest.raises(ResponseNotFound):
            await act("shop", "resp_1")
    with pytest.raises(ResponseNotFound):
        await responses.input_items("shop", "resp_1", PageRequest())
    with pytest.raises(ResponseNotFound):
        await responses.finish("shop", "resp_1", status="completed", document=b"{}")


async def test_a_turn_is_kept_only_if_nobody_came_between(
    responses: ResponseStore, conversations: ConversationStore
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=AT))
    history = await conversations.history("shop", "conv_1")
    say = response("resp_1", conversation_id="conv_1")
    await responses.save(
        "shop", say, [message("msg_1", "a")], [message("msg_2", "b", "assistant")], version=history.version
    )
    late = response("resp_2", conversation_id="conv_1")
    with pytest.raises(ConversationLocked):
        await responses.save("shop", late, [message("msg_3", "c")], [], version=history.version)
    now = await conversations.history("shop", "conv_1")
    assert texts_of(now) == ["a", "b"]
    await responses.save("shop", late, [message("msg_3", "c")], [], version=now.version)
    assert texts_of(await responses.history("shop", "resp_2")) == ["a", "b", "c"]
    assert (await responses.get("shop", "resp_2")).conversation_id == "conv_1"


async def test_of_many_writers_each_turn_stays_whole(
    responses: ResponseStore, conversations: ConversationStore
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=AT))

    async def write(n: int) -> None:
        while True:
            history = await conversations.history("shop", "conv_1")
            say = response(f"resp_{n}", conversation_id="conv_1")
            pair = [message(f"msg_q{n}", f"q{n}")], [message(f"msg_a{n}", f"a{n}", "assistant")]
            try:
                await responses.save("shop", say, *pair, version=history.version)
            except ConversationLocked:
                continue
            return

    await asyncio.gather(*(write(n) for n in range(8)))
    results = texts_of(await conversations.history("shop", "conv_1"))
    assert sorted(results[::2]) == [f"q{n}" for n in range(8)]
    assert results[1::2] == [f"a{name[1:]}" for name in results[::2]]


async def test_a_running_response_has_its_conversation_for_itself(
    responses: ResponseStore, conversations: ConversationStore
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=AT))
    running = response("resp_1", conversation_id="conv_1", status="queued", background=True)
    await responses.save("shop", running, [message("msg_1", "a")], [])
    with pytest.raises(ConversationLocked):
        await conversations.history("shop", "conv_1")
    with pytest.raises(ConversationLocked):
        await conversations.add_items("shop", "conv_1", [message("msg_x", "x")])
    with pytest.raises(PreviousResponseNotFound):
        await responses.history("shop", "resp_1")
    await responses.finish("shop", "resp_1", status="in_progress", document=b'{"status":"in_progress"}')
    assert (await responses.get("shop", "resp_1")).running
    await responses.finish(
        "shop", "resp_1", status="completed", document=b"{}", outputs=[message("msg_2", "b", "assistant")]
    )
    assert texts_of(await conversations.history("shop", "conv_1")) == ["a", "b"]
    result = await responses.get("shop", "resp_1")
    assert (result.status, result.background, ids(result.output)) == ("completed", True, ["msg_2"])
    with pytest.raises(ResponseNotFound):
        await responses.finish("shop", "resp_1", status="cancelled", document=b"{}")


async def test_the_input_is_told_in_pages(responses: ResponseStore) -> None:
    asked = [message(f"msg_{n}", str(n)) for n in range(5)]
    await responses.save("shop", response("resp_1"), asked, [message("msg_a", "a", "assistant")])
    pages = {
        PageRequest(limit=2): (["msg_4", "msg_3"], True),
        PageRequest(limit=2, after="msg_1"): (["msg_0"], False),
        PageRequest(limit=3, descending=False): (["msg_0", "msg_1", "msg_2"], True),
        PageRequest(after="msg_2", descending=False): (["msg_3", "msg_4"], False),
        PageRequest(limit=5): (["msg_4", "msg_3", "msg_2", "msg_1", "msg_0"], False),
    }
    for ask, expected in pages.items():
        page = await responses.input_items("shop", "resp_1", ask)
        assert (ids(page.items), page.has_more) == expected


async def test_what_was_said_before_is_a_part_of_what_a_response_was_made_from(responses: ResponseStore) -> None:
    await turn(responses, "1")
    await turn(responses, "2", previous_response_id="resp_1")
    await turn(responses, "3", previous_response_id="resp_2")
    await turn(responses, "2b", previous_response_id="resp_1")
    await turn(responses, "3b", previous_response_id="resp_2b")
    for name, turns in {"1": ["1"], "2": ["1", "2"], "3": ["1", "2", "3"], "3b": ["1", "2b", "3b"]}.items():
        expected = [f"msg_{number}_{part}" for number in turns for part in "qa"][:-1]
        for descending in (False, True):
            seen: list[str] = []
            more = True
            while more:
                after = seen[-1] if seen else None
                ask = PageRequest(limit=2, after=after, descending=descending)
                page = await responses.input_items("shop", f"resp_{name}", ask)
                seen, more = [*seen, *ids(page.items)], page.has_more
            assert seen == (expected[::-1] if descending else expected)


async def test_deleting_a_response_leaves_those_that_go_on_from_it(responses: ResponseStore) -> None:
    await turn(responses, "1")
    await turn(responses, "2", previous_response_id="resp_1")
    await turn(responses, "2b", previous_response_id="resp_1")
    await responses.delete("shop", "resp_1")
    with pytest.raises(PreviousResponseNotFound):
        await responses.history("shop", "resp_1")
    for name in ("2", "2b"):
        history = await responses.history("shop", f"resp_{name}")
        assert texts_of(history) == ["question 1", "answer 1", f"question {name}", f"answer {name}"]


async def test_who_goes_on_from_what_is_deleted_in_this_moment_is_told(
    responses: ResponseStore, store_base: StoreBase, postgres: Postgres
) -> None:
    await turn(responses, "1")

    async def waits() -> bool:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        async with postgres.connection() as connection:
            return bool(await connection.fetchval(waiting) == 1)

    async with store_base.rows.transaction("shop") as connection:
        await connection.execute("DELETE FROM responses")
        saving = asyncio.create_task(turn(responses, "2", previous_response_id="resp_1"))
        await wait_until_async(waits)
        await connection.execute("DELETE FROM items")
        await connection.execute("DELETE FROM conversations")
    with pytest.raises(PreviousResponseNotFound):
        await saving


async def test_what_nobody_goes_on_from_goes_with_its_response(responses: ResponseStore) -> None:
    await turn(responses, "1")
    await turn(responses, "2", previous_response_id="resp_1")
    await responses.delete("shop", "resp_2")
    await turn(responses, "2", previous_response_id="resp_1")
    assert texts_of(await responses.history("shop", "resp_2")) == ["question 1", "answer 1", "question 2", "answer 2"]
    await responses.delete("shop", "resp_1")
    await responses.delete("shop", "resp_2")
    with pytest.raises(ResponseNotFound):
        await responses.get("shop", "resp_2")


async def test_another_project_has_none_of_it(responses: ResponseStore) -> None:
    await turn(responses, "1")
    with pytest.raises(PreviousResponseNotFound):
        await responses.history("bank", "resp_1")
    with pytest.raises(PreviousResponseNotFound):
        await responses.save("bank", response("resp_2", previous_response_id="resp_1"), [], [])
    for act in (
        responses.get("bank", "resp_1"),
        responses.delete("bank", "resp_1"),
        responses.input_items("bank", "resp_1", PageRequest()),
        responses.finish("bank", "resp_1", status="completed", document=b"{}"),
    ):
        with pytest.raises(ResponseNotFound):
            await act


async def test_a_page_after_nothing_known_is_refused(responses: ResponseStore) -> None:
    await turn(responses, "1")
    with pytest.raises(ItemNotFound):
        await responses.input_items("shop", "resp_1", PageRequest(after="msg_1_a"))
    page = await responses.input_items("shop", "resp_1", PageRequest(after="msg_1_q"))
    assert (page.items, page.has_more) == ((), False)


async def test_what_had_been_said_before_a_response_is_without_its_own_input(responses: ResponseStore) -> None:
    await turn(responses, "1")
    asked = [message("msg_2_q", "question 2")]
    await responses.save("shop", response("resp_2", status="queued", previous_response_id="resp_1"), asked, [])
    await responses.save("shop", response("resp_3", status="queued"), asked, [])
    assert texts_of(await responses.history_before("shop", "resp_2")) == ["question 1", "answer 1"]
    assert (await responses.history_before("shop", "resp_3")).items == ()
    with pytest.raises(ResponseNotFound):
        await responses.history_before("bank", "resp_2")


async def test_a_turn_is_part_of_a_larger_transaction_or_undone_with_it(
    responses: ResponseStore, postgres: Postgres
) -> None:
    waiting = response("resp_1", status="queued", background=True)
    async with postgres.connection() as connection, connection.transaction():
        await responses.save("shop", waiting, [message("msg_1", "When?")], [], transaction=connection)
        assert await connection.fetchval("SELECT current_user = session_user")
        nowhere = response("resp_0", conversation_id="conv_0")
        with pytest.raises(ConversationNotFound):
            await responses.save("shop", nowhere, [], [], transaction=connection)
    assert (await responses.get("shop", "resp_1")).running
    async with postgres.connection() as connection:
        whole = connection.transaction()
        await whole.start()
        await responses.finish("shop", "resp_1", status="failed", document=b"{}", transaction=connection)
        await whole.rollback()
    assert (await responses.get("shop", "resp_1")).running


async def test_what_waited_is_worked_on_and_what_is_over_stays_over(
    responses: ResponseStore, postgres: Postgres
) -> None:
    await responses.save("shop", response("resp_1", status="queued"), [message("msg_1", "When?")], [])
    for _ in range(2):
        async with postgres.connection() as connection, connection.transaction():
            await responses.mark_in_progress("shop", "resp_1", transaction=connection)
        result = await responses.get("shop", "resp_1")
        assert (result.status, decoded(result.document)["status"]) == ("in_progress", "in_progress")
    await responses.finish("shop", "resp_1", status="completed", document=b"{}")
    async with postgres.connection() as connection, connection.transaction():
        await responses.mark_in_progress("shop", "resp_1", transaction=connection)
        await responses.mark_in_progress("shop", "resp_0", transaction=connection)
    assert (await responses.get("shop", "resp_1")).status == "completed"


async def test_who_deletes_a_running_response_frees_its_conversation(
    responses: ResponseStore, conversations: ConversationStore
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=AT))
    running = response("resp_1", conversation_id="conv_1", status="queued", background=True)
    await responses.save("shop", running, [message("msg_1", "a")], [])
    await responses.delete("shop", "resp_1")
    assert texts_of(await conversations.history("shop", "conv_1")) == ["a"]


async def test_who_deletes_another_response_of_a_chain_does_not_end_the_running_one(responses: ResponseStore) -> None:
    await turn(responses, "1")
    running = response("resp_2", previous_response_id="resp_1", status="queued", background=True)
    await responses.save("shop", running, [message("msg_2_q", "question 2")], [])
    await responses.delete("shop", "resp_1")
    await responses.finish(
        "shop", "resp_2", status="completed", document=b"{}", outputs=[message("msg_2_a", "answer 2")]
    )
    history = await responses.history("shop", "resp_2")
    assert texts_of(history) == ["question 1", "answer 1", "question 2", "answer 2"]
