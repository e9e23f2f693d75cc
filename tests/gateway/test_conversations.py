"""Conversations are created, read, changed and deleted with the official client, and responses are their turns."""

import asyncio
from typing import Any

import asyncpg
import pytest
from openai import BadRequestError, NotFoundError
from openai.types.conversations import (
    Conversation,
    ConversationDeletedResource,
    ConversationItem,
    ConversationItemList,
)

from tests.eventually import wait_until_async
from tests.gateway.recording import recorded
from tests.harness import Gateway, World
from tests.strict import valid

Json = dict[str, Any]
MODEL = "gpt-4o-mini"
HELLO: Json = {"type": "message", "role": "user", "content": "Hello"}


async def create_conversation(gateway: Gateway, *texts: str) -> str:
    items = [{"role": "user", "content": text} for text in texts]
    answer = await gateway.call("/conversations", {"items": items})
    assert answer.status == 200, answer.text
    return str(answer.json["id"])


async def was_called(world: World, times: int) -> bool:
    """Return whether the upstream was called this often."""
    return await world.calls("responses") == times


async def leases(world: World) -> int:
    """Return the number of conversations with a lease, also an expired one that was not released."""
    connection = await asyncpg.connect(world.stores.database_url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM conversations WHERE leased_to IS NOT NULL"))
    finally:
        await connection.close()


def text_of(item: Any) -> str:
    return str(item.content[0].text)


async def test_a_conversation_goes_on_after_an_answer_cut_while_it_reasons(gateway: Gateway) -> None:
    made = await create_conversation(gateway)
    turns: tuple[Json, ...] = ({"input": "Hello", "max_output_tokens": 16}, {"input": "And now?"}, {"input": "Sure?"})
    answers = [
        await gateway.call("/responses", {"model": "gpt-5-mini", "conversation": made, **turn}) for turn in turns
    ]
    assert [answer.json.get("status") for answer in answers] == ["incomplete", "completed", "completed"]


async def test_a_conversation_from_its_beginning_to_its_end(gateway: Gateway) -> None:
    client: Any
    async with gateway.sdk() as client:
        made = await client.conversations.create(items=[HELLO], metadata={"of": "ann"})
        assert made.id.startswith("conv_")
        assert (await client.conversations.retrieve(made.id)).metadata == {"of": "ann"}
        changed = await client.conversations.update(made.id, metadata={"of": "bob"})
        assert changed.metadata == {"of": "bob"}
        deleted = await client.conversations.delete(made.id)
        assert (deleted.deleted, deleted.object) == (True, "conversation.deleted")
        with pytest.raises(NotFoundError):
            await client.conversations.retrieve(made.id)


async def test_every_document_is_strictly_typed(gateway: Gateway) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    items = [
        HELLO,
        {"role": "assistant", "content": "Hi"},
        {"role": "developer", "content": [{"type": "input_text", "text": "Be brief."}, image]},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "4"},
        {"type": "reasoning", "id": "rs_theirs", "summary": [{"type": "summary_text", "text": "Hm."}]},
    ]
    made = (await gateway.call("/conversations", {"items": items})).json
    assert valid(Conversation, made).metadata == {}
    path = f"/conversations/{made['id']}"
    listed = (await gateway.call(f"{path}/items?order=asc")).json
    assert [item.type for item in valid(ConversationItemList, listed).data] == [
        "message", "message", "message", "function_call", "function_call_output", "reasoning",
    ]  # fmt: skip
    assert (listed["first_id"], listed["last_id"]) == (listed["data"][0]["id"], listed["data"][-1]["id"])
    for item in listed["data"]:
        fetched = await gateway.call(f"{path}/items/{item['id']}")
        assert fetched.json == item
        valid(ConversationItem, fetched.json)
    added = (await gateway.call(f"{path}/items", {"items": [HELLO]})).json
    assert (len(valid(ConversationItemList, added).data), added["has_more"]) == (1, False)
    removed = await gateway.call(f"{path}/items/{added['data'][0]['id']}", method="DELETE")
    assert valid(Conversation, removed.json).id == made["id"]
    deleted = await gateway.call(path, method="DELETE")
    assert valid(ConversationDeletedResource, deleted.json).deleted


async def test_items_are_read_page_by_page_in_either_order(gateway: Gateway) -> None:
    name = await create_conversation(gateway, *(f"line {number}" for number in range(7)))
    client: Any
    async with gateway.sdk() as client:
        down = [text_of(item) async for item in client.conversations.items.list(name, limit=3)]
        up = [text_of(item) async for item in client.conversations.items.list(name, limit=3, order="asc")]
    assert up == [f"line {number}" for number in range(7)]
    assert down == up[::-1]


async def test_an_item_that_was_taken_out_is_not_said_again(world: World) -> None:
    async with recorded(world) as (gateway, bodies):
        name = await create_conversation(gateway, "One", "Two", "Three")
        items = (await gateway.call(f"/conversations/{name}/items?order=asc")).json["data"]
        path = f"/conversations/{name}/items/{items[1]['id']}"
        assert (await gateway.call(path, method="DELETE")).status == 200
        assert (await gateway.call(path)).status == 404
        assert (await gateway.call(path, method="DELETE")).status == 404
        await gateway.call("/responses", {"model": MODEL, "input": "Four", "conversation": name})
    said = [
        item["content"] if isinstance(item["content"], str) else item["content"][0]["text"]
        for item in bodies[-1]["input"]
    ]
    assert said == ["One", "Three", "Four"]


@pytest.mark.parametrize("named", ["conv", {"id": "conv"}])
async def test_a_response_is_a_turn(gateway: Gateway, named: Any) -> None:
    name = await create_conversation(gateway, "I am Ann.")
    conversation = name if isinstance(named, str) else {"id": name}
    body = {"model": MODEL, "input": "Who am I?", "conversation": conversation}
    answer = (await gateway.call("/responses", body)).json
    assert answer["conversation"] == {"id": name}
    assert answer["previous_response_id"] is None
    items = (await gateway.call(f"/conversations/{name}/items?order=asc")).json["data"]
    assert [item["role"] for item in items] == ["user", "user", "assistant"]
    assert items[-1]["id"] == answer["output"][0]["id"]
    assert items[-1]["content"] == answer["output"][0]["content"]
    assert (await gateway.call(f"/responses/{answer['id']}")).json == answer
    asked = (await gateway.call(f"/responses/{answer['id']}/input_items")).json["data"]
    assert [item["id"] for item in asked] == [items[1]["id"], items[0]["id"]]


async def test_its_items_survive_it_where_responses_have_them(gateway: Gateway) -> None:
    name = await create_conversation(gateway)
    first = (await gateway.call("/responses", {"model": MODEL, "input": "One", "conversation": name})).json
    assert (await gateway.call(f"/conversations/{name}", method="DELETE")).status == 200
    assert (await gateway.call(f"/conversations/{name}/items")).status == 404
    refused = await gateway.call("/responses", {"model": MODEL, "input": "Two", "conversation": name})
    assert refused.status == 404
    assert (await gateway.call(f"/responses/{first['id']}")).json["output"] == first["output"]
    assert len((await gateway.call(f"/responses/{first['id']}/input_items")).json["data"]) == 1


async def test_the_second_of_two_writers_on_two_replicas_is_told_before_it_costs_anything(world: World) -> None:
    async with world.gateway() as one, world.gateway() as other:
        name = await create_conversation(one)
        body = {"model": MODEL, "input": "Question", "conversation": name}
        first = asyncio.create_task(one.call("/responses", body, x_simulate_ttft="2"))
        await wait_until_async(lambda: was_called(world, 1))
        for act in (("/responses", {**body, "input": "Another"}), (f"/conversations/{name}/items", {"items": [HELLO]})):
            results = await other.call(*act)
            assert (results.status, results.error["code"]) == (409, "conversation_locked")
            assert 0 < float(results.headers["retry-after-ms"]) <= 5000
        assert (await other.call(f"/conversations/{name}/items")).status == 200
        assert (await first).status == 200
        assert await world.calls("responses") == 1
        assert (await other.call("/responses", {**body, "input": "Another"})).status == 200
        assert await world.calls("responses") == 2


async def test_a_conversation_whose_replica_dies_in_the_middle_of_a_turn_is_free_again(world: World) -> None:
    async with world.gateway() as stays, world.process() as doomed:
        name = await create_conversation(stays, "Hello")
        body = {"model": MODEL, "input": "Question", "conversation": name}
        broken = asyncio.create_task(doomed.call("/responses", body, x_simulate_ttft="60"))
        await wait_until_async(lambda: was_called(world, 1))
        doomed.kill()
        await asyncio.wait([broken])
        assert broken.exception() is not None
        assert len((await stays.call(f"/conversations/{name}/items")).json["data"]) == 1

        async def answered() -> bool:
            answer = await stays.call("/responses", body)
            assert answer.status in {200, 409}
            return answer.status == 200

        await wait_until_async(answered, within=30)
        items = (await stays.call(f"/conversations/{name}/items?order=asc")).json["data"]
        assert [item["role"] for item in items] == ["user", "user", "assistant"]
        assert await world.calls("responses") == 2, "who was told to wait cost nothing"


async def test_who_hangs_up_leaves_the_conversation_to_others(gateway: Gateway, world: World) -> None:
    name = await create_conversation(gateway)
    body = {"model": MODEL, "input": "Question", "conversation": name}
    gone = asyncio.create_task(gateway.call("/responses", body, x_simulate_ttft="60"))
    await wait_until_async(lambda: was_called(world, 1))
    assert await leases(world) == 1
    gone.cancel()

    async def given_back() -> bool:
        return await leases(world) == 0

    await wait_until_async(given_back)
    assert (await gateway.call("/responses", body)).status == 200


@pytest.mark.parametrize("failing", [{"x_simulate_fault": "context_length"}, {"cache_control": "only-if-cached"}])
async def test_a_turn_that_is_not_taken_is_in_nobodys_way(gateway: Gateway, failing: dict[str, str]) -> None:
    name = await create_conversation(gateway)
    body = {"model": MODEL, "input": "Question", "conversation": name}
    assert (await gateway.call("/responses", body, **failing)).status >= 400
    assert (await gateway.call("/responses", body)).status == 200


async def test_two_writers_are_never_interleaved(gateway: Gateway) -> None:
    name = await create_conversation(gateway)
    slow = {"x_simulate_ttft": "0.3"}
    bodies = [{"model": MODEL, "input": f"Question {n}", "conversation": name} for n in range(4)]
    answers = await asyncio.gather(*(gateway.call("/responses", body, **slow) for body in bodies))
    said = [answer for answer in answers if answer.status == 200]
    results = [answer for answer in answers if answer.status == 409]
    assert len(said) + len(results) == 4
    assert said
    for answer in results:
        assert answer.headers["x-should-retry"] == "true"
        assert answer.error["code"] == "conversation_locked"
    items = (await gateway.call(f"/conversations/{name}/items?order=asc&limit=100")).json["data"]
    assert [item["role"] for item in items] == ["user", "assistant"] * len(said)
    assert {item["id"] for item in items if item["role"] == "assistant"} == {
        answer.json["output"][0]["id"] for answer in said
    }


async def test_the_official_client_tries_again_until_it_is_its_turn(gateway: Gateway) -> None:
    name = await create_conversation(gateway)
    client: Any
    async with gateway.sdk(max_retries=8) as client:
        turns = [client.responses.create(model=MODEL, input=f"Q{n}", conversation=name) for n in range(4)]
        await asyncio.gather(*turns)
        roles = [item.role async for item in client.conversations.items.list(name, order="asc")]
    assert roles == ["user", "assistant"] * 4


async def test_what_fails_is_no_turn(gateway: Gateway) -> None:
    name = await create_conversation(gateway)
    body = {"model": MODEL, "input": "Hello", "conversation": name}
    assert (await gateway.call("/responses", body, x_simulate_fault="server_error")).status == 500
    streamed = await gateway.call("/responses", {**body, "stream": True}, x_simulate_fault="error_in_stream")
    assert streamed.events[-1]["type"] == "error"
    assert (await gateway.call(f"/conversations/{name}/items")).json["data"] == []
    assert (await gateway.call("/responses", body)).status == 200


async def test_limits_are_told(gateway: Gateway) -> None:
    name = await create_conversation(gateway)
    client: Any
    async with gateway.sdk() as client:
        for items in ([HELLO] * 21, [{"type": "item_reference", "id": "msg_1"}]):
            with pytest.raises(BadRequestError) as refused:
                await client.conversations.items.create(name, items=items)
            assert refused.value.param == "items"
        with pytest.raises(BadRequestError):
            await client.conversations.create(items=[HELLO] * 21)
        with pytest.raises(BadRequestError):
            await client.conversations.create(metadata={str(n): "" for n in range(17)})
    assert (await gateway.call("/conversations", b"")).status == 200
    assert (await gateway.call("/conversations", b"[]")).status == 400
    assert (await gateway.call("/conversations", b"{")).status == 400


@pytest.mark.parametrize("name", ["%00", "msg%201", "%F0%9F%8C%8A", "x" * 300])
async def test_what_is_no_id_of_an_item_is_refused(gateway: Gateway, name: str) -> None:
    conversation = await create_conversation(gateway, "One")
    for path in (f"items/{name}", f"items?after={name}"):
        assert (await gateway.call(f"/conversations/{conversation}/{path}")).status == 400
    assert (await gateway.call(f"/conversations/{conversation}/items/{name}", method="DELETE")).status == 400


async def test_another_projects_conversation_is_not_there(gateway: Gateway, world: World) -> None:
    name = await create_conversation(gateway, "Secret")
    item = (await gateway.call(f"/conversations/{name}/items")).json["data"][0]["id"]
    stranger = f"Bearer {(await world.make_key('elsewhere')).token}"
    path = f"/conversations/{name}"
    asked = [
        await gateway.call(path, authorization=stranger),
        await gateway.call(path, {"metadata": {}}, authorization=stranger),
        await gateway.call(path, method="DELETE", authorization=stranger),
        await gateway.call(f"{path}/items", authorization=stranger),
        await gateway.call(f"{path}/items", {"items": [HELLO]}, authorization=stranger),
        await gateway.call(f"{path}/items/{item}", authorization=stranger),
        await gateway.call(f"{path}/items/{item}", method="DELETE", authorization=stranger),
        await gateway.call("/responses", {"model": MODEL, "input": "x", "conversation": name}, authorization=stranger),
        await gateway.call("/responses", {"model": MODEL, "input": [{"id": item}]}, authorization=stranger),
    ]
    assert {answer.status for answer in asked} == {404}
    assert not any("Secret" in answer.text for answer in asked)
    assert (await gateway.call(f"{path}/items/{item}")).status == 200
