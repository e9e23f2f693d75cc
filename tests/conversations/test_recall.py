"""A call that goes on from something becomes one that says it all, and only where there is something to go on from."""

from typing import Any

import msgspec
import pytest

from tests.conversations.recalling import SHOP, answer, recollection, response_call
from tests.conversations.said import message
from tidegate.conversations.documents.records import Conversation
from tidegate.conversations.recall import Asker
from tidegate.conversations.recorder import ResponseMemory
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import Archive
from tidegate.core import endpoints
from tidegate.core.clock import ManualClock
from tidegate.core.errors import (
    ConversationBusy,
    ConversationNotFound,
    InvalidParameter,
    PostgresUnavailable,
    PreviousResponseNotFound,
)
from tidegate.storage.postgres import Postgres
from tidegate.wire.call import Call, parse

BANK = Asker(project="bank", request_id="req_2")


def texts(call: Call) -> list[str]:
    """What the call says, item by item."""
    said: Any = call.body["input"]
    return [said] if isinstance(said, str) else [_text(item["content"]) for item in said]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


async def test_a_call_that_asks_nothing_is_left_alone(archive: Archive, clock: ManualClock) -> None:
    call = response_call("Hello", store=False)
    assert await recollection(archive, clock).recall(call, SHOP) == (call, None)


@pytest.mark.parametrize("away", [False, True])
async def test_reasoning_that_is_not_kept_here_goes_as_it_came(
    archive: Archive, clock: ManualClock, away: bool
) -> None:
    theirs = {"type": "reasoning", "id": "rs_theirs", "summary": []}
    call = response_call("", input=[theirs, {"role": "user", "content": "Go on"}], store=False)
    nowhere = Archive(Postgres("postgresql://nobody@127.0.0.1:1/none", size=1, timeout=0.5), clock)
    assert await recollection(nowhere if away else archive, clock).recall(call, SHOP) == (call, None)


async def test_turn_by_turn_a_chain_grows(archive: Archive, clock: ManualClock) -> None:
    remembering = recollection(archive, clock)
    previous: dict[str, Any] = {}
    for number in range(4):
        call, memory = await remembering.recall(response_call(f"Q{number}", **previous), SHOP)
        assert memory is not None
        assert texts(call) == [word for n in range(number) for word in (f"Q{n}", f"A{n}")] + [f"Q{number}"]
        given = msgspec.json.decode(memory.whole(answer(f"A{number}")))
        await memory.keep()
        previous = {"previous_response_id": given["id"]}
    with pytest.raises(PreviousResponseNotFound):
        await remembering.recall(response_call("Q", **previous), BANK)


async def test_a_conversation_is_read_with_its_version(
    archive: Archive, clock: ManualClock, conversations: ConversationStore
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=1.0), [message("msg_1", "Q0")])
    remembering = recollection(archive, clock)
    call, _ = await remembering.recall(response_call("Q1", conversation="conv_1"), SHOP)
    assert texts(call) == ["Q0", "Q1"]
    with pytest.raises(ConversationNotFound):
        await remembering.recall(response_call("Q1", conversation="conv_1"), BANK)


async def test_a_promise_is_kept_by_its_name_and_its_time(archive: Archive, clock: ManualClock) -> None:
    remembering = recollection(archive, clock)
    asked = response_call("Hello", background=True)
    _, memory = await remembering.recall(asked, Asker(project="shop", request_id="req_1"))
    assert isinstance(memory, ResponseMemory)
    promised = memory.promised()
    assert (promised["status"], promised["output"], promised["background"]) == ("queued", [], True)
    async with archive.rows.transaction("shop") as connection:
        await memory.promise(promised, connection)
    again = Asker(project="shop", request_id="req_1-2", promised=memory.id, created_at=promised["created_at"])
    clock.advance(60)
    call, memory = await remembering.recall(asked, again)
    assert isinstance(memory, ResponseMemory)
    assert "background" not in call.body
    told = msgspec.json.decode(memory.whole(answer("Hi")))
    assert (told["id"], told["created_at"]) == (promised["id"], promised["created_at"])
    await memory.keep()
    assert (await ResponseStore(archive).get("shop", told["id"])).running
    async with archive.rows.transaction("shop") as connection:
        await memory.fulfil(connection)
    assert (await ResponseStore(archive).get("shop", told["id"])).status == "completed"


@pytest.mark.parametrize(
    "call",
    [response_call("Hello"), parse(endpoints.CHAT, b'{"model":"m","messages":[],"store":true}')],
)
async def test_nothing_is_asked_that_could_not_be_kept(archive: Archive, clock: ManualClock, call: Call) -> None:
    async def away() -> None:
        raise PostgresUnavailable

    with pytest.raises(PostgresUnavailable):
        await recollection(archive, clock, able=away).recall(call, SHOP)


async def test_the_size_of_a_question_is_that_of_all_it_goes_on_from(archive: Archive, clock: ManualClock) -> None:
    remembering = recollection(archive, clock)
    _, memory = await remembering.recall(response_call("Q0"), SHOP)
    assert memory is not None
    given = msgspec.json.decode(memory.whole(answer("A0")))
    await memory.keep()
    call = await remembering.expanded(response_call("Q1", store=False, previous_response_id=given["id"]), "shop")
    assert texts(call) == ["Q0", "A0", "Q1"]


async def test_a_second_turn_of_a_conversation_is_refused_before_it_is_asked(
    archive: Archive, clock: ManualClock, conversations: ConversationStore
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=1.0))
    here, there = recollection(archive, clock), recollection(archive, clock)
    call = response_call("Q", conversation="conv_1")
    _, refused = await here.recall(call, SHOP)  # for a limit, say: it never has an answer
    assert refused is not None
    await refused.leave()
    _, first = await here.recall(call, SHOP)
    assert first is not None
    for replica in (here, there):
        with pytest.raises(ConversationBusy) as told:
            await replica.recall(call, SHOP)
        assert 0 < (told.value.retry_after or 0) <= 60
    assert texts(await there.expanded(call, "shop")) == ["Q"], "who only counts is in nobody's way"
    first.whole(answer("A"))
    await first.keep()
    _, second = await there.recall(call, SHOP)
    assert second is not None
    await first.leave()  # ends no lease but its own
    with pytest.raises(ConversationBusy):
        await here.recall(call, SHOP)


async def test_a_call_that_cannot_be_expanded_takes_no_turn(
    archive: Archive, clock: ManualClock, conversations: ConversationStore
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=1.0))
    remembering = recollection(archive, clock)
    damaged = {"type": "compaction", "id": "cmp_1", "encrypted_content": "tg1.a"}
    wrong = parse(
        endpoints.RESPONSES, msgspec.json.encode({"model": "m", "input": [damaged], "conversation": "conv_1"})
    )
    with pytest.raises(InvalidParameter):
        await remembering.recall(wrong, SHOP)
    await remembering.recall(response_call("Q", conversation="conv_1"), SHOP)
