"""The stored turn equals the answer that its caller got: whole or not at all, and failures as failures."""

from typing import Any

import msgspec
import pytest

from tests.conversations.loader import SHOP_REQUEST, history_loader, response_call, upstream_answer
from tidegate.conversations.documents.records import Conversation, PageRequest
from tidegate.conversations.recorder import ResponseRecorder
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core import endpoints
from tidegate.core.clock import ManualClock
from tidegate.core.errors import ConversationLocked, ResponseNotFound, UpstreamServerError
from tidegate.wire import sse
from tidegate.wire.call import parse
from tidegate.wire.responses import to_events

OLDEST_FIRST = PageRequest(descending=False)


async def recorder_of(store_base: StoreBase, clock: ManualClock, text: str = "Q", **fields: Any) -> ResponseRecorder:
    _, memory = await history_loader(store_base, clock).load(response_call(text, **fields), SHOP_REQUEST)
    assert memory is not None
    return memory


def events(body: bytes) -> list[bytes]:
    return [sse.encode(msgspec.json.encode(event), event["type"]) for event in to_events(msgspec.json.decode(body))]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_turn_is_kept_as_it_was_given(
    store_base: StoreBase, clock: ManualClock, responses: ResponseStore, stream: bool
) -> None:
    memory = await recorder_of(store_base, clock, metadata={"a": "b"})
    if stream:
        last = [memory.rewrite_event(event) for event in events(upstream_answer("A"))][-1]
        value = msgspec.json.decode(sse.data_of(last) or b"")["response"]
    else:
        value = msgspec.json.decode(memory.rewrite_body(upstream_answer("A")))
    await memory.save()
    stored = await responses.get("shop", value["id"])
    document = msgspec.json.decode(stored.document)
    assert {**document, "output": value["output"]} == value
    assert [item.id for item in stored.output] == [item["id"] for item in value["output"]]
    assert (stored.metadata, stored.request_id, stored.status) == ({"a": "b"}, "req_1", "completed")
    assert len((await responses.input_items("shop", value["id"], OLDEST_FIRST)).items) == 1


async def test_nothing_is_kept_before_it_is_said_to_be(
    store_base: StoreBase, clock: ManualClock, responses: ResponseStore
) -> None:
    memory = await recorder_of(store_base, clock)
    value = msgspec.json.decode(memory.rewrite_body(upstream_answer("A")))
    with pytest.raises(ResponseNotFound):
        await responses.get("shop", value["id"])


async def test_a_turn_of_a_conversation_is_kept_there_also_where_the_response_is_not(
    store_base: StoreBase, clock: ManualClock, conversations: ConversationStore, responses: ResponseStore
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=1.0))
    memory = await recorder_of(store_base, clock, conversation="conv_1", store=False)
    value = msgspec.json.decode(memory.rewrite_body(upstream_answer("A")))
    await memory.save()
    assert [item.role for item in (await conversations.items("shop", "conv_1", OLDEST_FIRST)).items] == [
        "user",
        "assistant",
    ]
    with pytest.raises(ResponseNotFound):
        await responses.get("shop", value["id"])


async def test_the_second_of_two_writers_is_told(
    store_base: StoreBase, clock: ManualClock, conversations: ConversationStore
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=1.0))
    # both on replicas of their own; the first one's lease has ended while its process was suspended
    asked = [response_call(text, conversation="conv_1") for text in ("One", "Other")]
    one, other = [
        (await history_loader(store_base, clock, lease_seconds=0).load(call, SHOP_REQUEST))[1] for call in asked
    ]
    assert one is not None
    assert other is not None
    for memory in (one, other):
        memory.rewrite_body(upstream_answer("A"))
    await one.save()
    with pytest.raises(ConversationLocked):
        await other.save()
    assert len((await conversations.items("shop", "conv_1", OLDEST_FIRST)).items) == 2


@pytest.mark.parametrize("conversation", [False, True])
async def test_an_answer_that_breaks_off_is_a_failed_response_and_no_turn_of_a_conversation(
    store_base: StoreBase,
    clock: ManualClock,
    conversations: ConversationStore,
    responses: ResponseStore,
    conversation: bool,
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=1.0))
    memory = await recorder_of(store_base, clock, **({"conversation": "conv_1"} if conversation else {}))
    started_at = memory.rewrite_event(events(upstream_answer("A"))[0])
    await memory.save_failure(UpstreamServerError("It broke."))
    name = msgspec.json.decode(sse.data_of(started_at) or b"")["response"]["id"]
    stored = await responses.get("shop", name)
    assert stored.status == "failed"
    assert msgspec.json.decode(stored.document)["error"]["message"] == "It broke."
    assert (await conversations.items("shop", "conv_1", OLDEST_FIRST)).items == ()


async def test_what_nobody_heard_of_is_not_kept(store_base: StoreBase, clock: ManualClock) -> None:
    memory = await recorder_of(store_base, clock)
    await memory.save_failure(UpstreamServerError())
    await memory.save()


async def test_a_completion_is_kept_with_its_messages(
    store_base: StoreBase, clock: ManualClock, completions: CompletionStore
) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Q"}], "store": True, "user": "ann"}
    _, memory = await history_loader(store_base, clock).load(
        parse(endpoints.CHAT, msgspec.json.encode(body)), SHOP_REQUEST
    )
    assert memory is not None
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "A"}}
    theirs = {"id": "chatcmpl-theirs", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    value = msgspec.json.decode(memory.rewrite_body(msgspec.json.encode(theirs)))
    await memory.save()
    stored = await completions.get("shop", value["id"])
    assert msgspec.json.decode(stored.document)["choices"] == [choice]
    assert (stored.end_user, stored.request_id) == ("ann", "req_1")
    assert [msgspec.json.decode(said) for said in await completions.messages("shop", value["id"])] == body["messages"]
