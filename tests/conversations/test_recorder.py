"""What a caller was given is what is kept: a turn whole or not at all, for its caller, and failures as such."""

from typing import Any

import msgspec
import pytest

from tests.conversations.recalling import SHOP, answer, recollection, response_call
from tidegate.conversations.documents.records import Conversation, PageAsk
from tidegate.conversations.recorder import Memory
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import Archive
from tidegate.core import endpoints
from tidegate.core.clock import ManualClock
from tidegate.core.errors import ConversationBusy, ResponseNotFound, ServerFailure
from tidegate.wire import sse
from tidegate.wire.call import parse
from tidegate.wire.responses import to_events

UP = PageAsk(descending=False)


async def recalled(archive: Archive, clock: ManualClock, text: str = "Q", **fields: Any) -> Memory:
    _, memory = await recollection(archive, clock).recall(response_call(text, **fields), SHOP)
    assert memory is not None
    return memory


def events(body: bytes) -> list[bytes]:
    return [sse.encode(msgspec.json.encode(event), event["type"]) for event in to_events(msgspec.json.decode(body))]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_turn_is_kept_as_it_was_given(
    archive: Archive, clock: ManualClock, responses: ResponseStore, stream: bool
) -> None:
    memory = await recalled(archive, clock, metadata={"a": "b"})
    if stream:
        last = [memory.event(event) for event in events(answer("A"))][-1]
        given = msgspec.json.decode(sse.data_of(last) or b"")["response"]
    else:
        given = msgspec.json.decode(memory.whole(answer("A")))
    await memory.keep()
    stored = await responses.get("shop", given["id"])
    document = msgspec.json.decode(stored.document)
    assert {**document, "output": given["output"]} == given
    assert [item.id for item in stored.output] == [item["id"] for item in given["output"]]
    assert (stored.metadata, stored.request_id, stored.status) == ({"a": "b"}, "req_1", "completed")
    assert len((await responses.input_items("shop", given["id"], UP)).items) == 1


async def test_nothing_is_kept_before_it_is_said_to_be(
    archive: Archive, clock: ManualClock, responses: ResponseStore
) -> None:
    memory = await recalled(archive, clock)
    given = msgspec.json.decode(memory.whole(answer("A")))
    with pytest.raises(ResponseNotFound):
        await responses.get("shop", given["id"])


async def test_a_turn_of_a_conversation_is_kept_there_also_where_the_response_is_not(
    archive: Archive, clock: ManualClock, conversations: ConversationStore, responses: ResponseStore
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=1.0))
    memory = await recalled(archive, clock, conversation="conv_1", store=False)
    given = msgspec.json.decode(memory.whole(answer("A")))
    await memory.keep()
    assert [item.role for item in (await conversations.items("shop", "conv_1", UP)).items] == ["user", "assistant"]
    with pytest.raises(ResponseNotFound):
        await responses.get("shop", given["id"])


async def test_the_second_of_two_writers_is_told(
    archive: Archive, clock: ManualClock, conversations: ConversationStore
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=1.0))
    # each on a replica of its own, and the first one's lease has ended: its process was asleep
    asked = [response_call(text, conversation="conv_1") for text in ("One", "Other")]
    one, other = [(await recollection(archive, clock, lease_seconds=0).recall(call, SHOP))[1] for call in asked]
    assert one is not None
    assert other is not None
    for memory in (one, other):
        memory.whole(answer("A"))
    await one.keep()
    with pytest.raises(ConversationBusy):
        await other.keep()
    assert len((await conversations.items("shop", "conv_1", UP)).items) == 2


@pytest.mark.parametrize("conversation", [False, True])
async def test_an_answer_that_breaks_off_is_a_failed_response_and_no_turn_of_a_conversation(
    archive: Archive, clock: ManualClock, conversations: ConversationStore, responses: ResponseStore, conversation: bool
) -> None:
    await conversations.create("shop", Conversation(id="conv_1", created_at=1.0))
    memory = await recalled(archive, clock, **({"conversation": "conv_1"} if conversation else {}))
    begun = memory.event(events(answer("A"))[0])
    await memory.keep_broken(ServerFailure("It broke."))
    name = msgspec.json.decode(sse.data_of(begun) or b"")["response"]["id"]
    stored = await responses.get("shop", name)
    assert stored.status == "failed"
    assert msgspec.json.decode(stored.document)["error"]["message"] == "It broke."
    assert (await conversations.items("shop", "conv_1", UP)).items == ()


async def test_what_nobody_heard_of_is_not_kept(archive: Archive, clock: ManualClock) -> None:
    memory = await recalled(archive, clock)
    await memory.keep_broken(ServerFailure())
    await memory.keep()


async def test_a_completion_is_kept_with_its_messages(
    archive: Archive, clock: ManualClock, completions: CompletionStore
) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Q"}], "store": True, "user": "ann"}
    _, memory = await recollection(archive, clock).recall(parse(endpoints.CHAT, msgspec.json.encode(body)), SHOP)
    assert memory is not None
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "A"}}
    theirs = {"id": "chatcmpl-theirs", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    given = msgspec.json.decode(memory.whole(msgspec.json.encode(theirs)))
    await memory.keep()
    stored = await completions.get("shop", given["id"])
    assert msgspec.json.decode(stored.document)["choices"] == [choice]
    assert (stored.end_user, stored.request_id) == ("ann", "req_1")
    assert [msgspec.json.decode(said) for said in await completions.messages("shop", given["id"])] == body["messages"]
