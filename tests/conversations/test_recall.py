"""A call that continues stored items is sent with all of them; any other call goes unchanged."""

from typing import Any

import msgspec
import pytest

from tests.conversations.loader import SHOP_REQUEST, history_loader, response_call, upstream_answer
from tests.conversations.records import message
from tidegate.conversations.documents.records import Conversation
from tidegate.conversations.recall import RecallRequest
from tidegate.conversations.recorder import ResponsesRecorder
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core import endpoints
from tidegate.core.clock import ManualClock
from tidegate.core.errors import (
    ConversationLocked,
    ConversationNotFound,
    InvalidParameter,
    PostgresUnavailable,
    PreviousResponseNotFound,
)
from tidegate.storage.postgres import Postgres
from tidegate.wire.call import Call, parse

BANK_REQUEST = RecallRequest(project="bank", request_id="req_2")


def texts(call: Call) -> list[str]:
    """Return the text of each input item."""
    said: Any = call.body["input"]
    return [said] if isinstance(said, str) else [_text(item["content"]) for item in said]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


async def test_a_call_that_asks_nothing_is_left_alone(store_base: StoreBase, clock: ManualClock) -> None:
    call = response_call("Hello", store=False)
    assert await history_loader(store_base, clock).load(call, SHOP_REQUEST) == (call, None)


@pytest.mark.parametrize("away", [False, True])
async def test_reasoning_that_is_not_kept_here_goes_as_it_came(
    store_base: StoreBase, clock: ManualClock, away: bool
) -> None:
    theirs = {"type": "reasoning", "id": "rs_theirs", "summary": []}
    call = response_call("", input=[theirs, {"role": "user", "content": "Go on"}], store=False)
    nowhere = StoreBase(Postgres("postgresql://nobody@127.0.0.1:1/none", size=1, timeout=0.5), clock)
    assert await history_loader(nowhere if away else store_base, clock).load(call, SHOP_REQUEST) == (call, None)


async def test_turn_by_turn_a_chain_grows(store_base: StoreBase, clock: ManualClock) -> None:
    remembering = history_loader(store_base, clock)
    previous: dict[str, Any] = {}
    for number in range(4):
        call, memory = await remembering.load(response_call(f"Q{number}", **previous), SHOP_REQUEST)
        assert memory is not None
        assert texts(call) == [word for n in range(number) for word in (f"Q{n}", f"A{n}")] + [f"Q{number}"]
        value = msgspec.json.decode(memory.rewrite_body(upstream_answer(f"A{number}")))
        await memory.save()
        previous = {"previous_response_id": value["id"]}
    with pytest.raises(PreviousResponseNotFound):
        await remembering.load(response_call("Q", **previous), BANK_REQUEST)


async def test_a_conversation_is_read_with_its_version(
    store_base: StoreBase, clock: ManualClock, conversations: ConversationStore
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=1.0), [message("msg_1", "Q0")])
    remembering = history_loader(store_base, clock)
    call, _ = await remembering.load(response_call("Q1", conversation="conv_1"), SHOP_REQUEST)
    assert texts(call) == ["Q0", "Q1"]
    with pytest.raises(ConversationNotFound):
        await remembering.load(response_call("Q1", conversation="conv_1"), BANK_REQUEST)


async def test_a_promise_is_kept_by_its_name_and_its_time(store_base: StoreBase, clock: ManualClock) -> None:
    remembering = history_loader(store_base, clock)
    asked = response_call("Hello", background=True)
    _, memory = await remembering.load(asked, RecallRequest(project="shop", request_id="req_1"))
    assert isinstance(memory, ResponsesRecorder)
    promised = memory.placeholder()
    assert (promised["status"], promised["output"], promised["background"]) == ("queued", [], True)
    async with store_base.rows.transaction("shop") as connection:
        await memory.save_placeholder(promised, connection)
    again = RecallRequest(
        project="shop", request_id="req_1-2", pending_response_id=memory.id, created_at=promised["created_at"]
    )
    clock.advance(60)
    call, memory = await remembering.load(asked, again)
    assert isinstance(memory, ResponsesRecorder)
    assert "background" not in call.body
    results = msgspec.json.decode(memory.rewrite_body(upstream_answer("Hi")))
    assert (results["id"], results["created_at"]) == (promised["id"], promised["created_at"])
    await memory.save()
    assert (await ResponseStore(store_base).get("shop", results["id"])).running
    async with store_base.rows.transaction("shop") as connection:
        await memory.save_result(connection)
    assert (await ResponseStore(store_base).get("shop", results["id"])).status == "completed"


@pytest.mark.parametrize(
    "call",
    [response_call("Hello"), parse(endpoints.CHAT, b'{"model":"m","messages":[],"store":true}')],
)
async def test_nothing_is_asked_that_could_not_be_kept(store_base: StoreBase, clock: ManualClock, call: Call) -> None:
    async def away() -> None:
        raise PostgresUnavailable

    with pytest.raises(PostgresUnavailable):
        await history_loader(store_base, clock, check_ready=away).load(call, SHOP_REQUEST)


async def test_the_size_of_a_question_is_that_of_all_it_goes_on_from(store_base: StoreBase, clock: ManualClock) -> None:
    remembering = history_loader(store_base, clock)
    _, memory = await remembering.load(response_call("Q0"), SHOP_REQUEST)
    assert memory is not None
    value = msgspec.json.decode(memory.rewrite_body(upstream_answer("A0")))
    await memory.save()
    call = await remembering.with_history(response_call("Q1", store=False, previous_response_id=value["id"]), "shop")
    assert texts(call) == ["Q0", "A0", "Q1"]


async def test_a_second_turn_of_a_conversation_is_refused_before_it_is_asked(
    store_base: StoreBase, clock: ManualClock, conversations: ConversationStore
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=1.0))
    here, there = history_loader(store_base, clock), history_loader(store_base, clock)
    call = response_call("Q", conversation="conv_1")
    _, refused = await here.load(call, SHOP_REQUEST)  # as for a limit: this call is never answered
    assert refused is not None
    await refused.release()
    _, first = await here.load(call, SHOP_REQUEST)
    assert first is not None
    for replica in (here, there):
        with pytest.raises(ConversationLocked) as results:
            await replica.load(call, SHOP_REQUEST)
        assert 0 < (results.value.retry_after or 0) <= 60
    assert texts(await there.with_history(call, "shop")) == ["Q"], "who only counts is in nobody's way"
    first.rewrite_body(upstream_answer("A"))
    await first.save()
    _, second = await there.load(call, SHOP_REQUEST)
    assert second is not None
    await first.release()  # it releases its own lease only
    with pytest.raises(ConversationLocked):
        await here.load(call, SHOP_REQUEST)


async def test_a_call_that_cannot_be_expanded_takes_no_turn(
    store_base: StoreBase, clock: ManualClock, conversations: ConversationStore
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=1.0))
    remembering = history_loader(store_base, clock)
    damaged = {"type": "compaction", "id": "cmp_1", "encrypted_content": "tg1.a"}
    wrong = parse(
        endpoints.RESPONSES, msgspec.json.encode({"model": "m", "input": [damaged], "conversation": "conv_1"})
    )
    with pytest.raises(InvalidParameter):
        await remembering.load(wrong, SHOP_REQUEST)
    await remembering.load(response_call("Q", conversation="conv_1"), SHOP_REQUEST)
