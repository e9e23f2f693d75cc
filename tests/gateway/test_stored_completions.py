"""Chat completions with `store: true` are listed, read, changed and deleted with the official client."""

import asyncio
from typing import Any

import pytest
from openai import NotFoundError, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionDeleted, ChatCompletionStoreMessage

from tests.harness import CHAT, Gateway, World, ask
from tests.strict import valid

Json = dict[str, Any]


async def store_completion(gateway: Gateway, words: str, **fields: Any) -> Json:
    answer = await gateway.chat(ask(words, store=True, **fields))
    assert answer.status == 200, answer.text
    document: Json = answer.json
    return document


async def test_only_what_was_asked_to_be_kept_is_kept(gateway: Gateway) -> None:
    kept = await store_completion(gateway, "Keep this", metadata={"of": "ann"})
    forgotten = (await gateway.chat(ask("Forget this"))).json
    fetched = (await gateway.call(f"/chat/completions/{kept['id']}")).json
    assert kept["id"].startswith("chatcmpl-")
    assert fetched["choices"] == kept["choices"]
    assert fetched["usage"] == kept["usage"]
    assert fetched["metadata"] == {"of": "ann"}
    assert valid(ChatCompletion, fetched).model == CHAT["model"]
    for name in (forgotten["id"], "chatcmpl-nothing", "nothing", "%00", "%F0%9F%8C%8A"):
        missing = await gateway.call(f"/chat/completions/{name}")
        assert (missing.status, missing.error["type"]) == (404, "invalid_request_error")


async def test_a_stream_is_kept_whole_with_the_usage_that_its_caller_did_not_ask_for(gateway: Gateway) -> None:
    answer = await gateway.chat(ask("Stream this", store=True, stream=True))
    names = {event["id"] for event in answer.events}
    assert len(names) == 1
    assert not any(event.get("usage") for event in answer.events)
    assert answer.text.endswith("data: [DONE]\n\n")
    fetched = (await gateway.call(f"/chat/completions/{names.pop()}")).json
    said = "".join(choice["delta"].get("content") or "" for event in answer.events for choice in event["choices"])
    assert valid(ChatCompletion, fetched).choices[0].message.content == said
    assert fetched["usage"]["total_tokens"] > 0


async def test_the_list_is_read_page_by_page_in_either_order(gateway: Gateway) -> None:
    made = [(await store_completion(gateway, f"Question {number}"))["id"] for number in range(7)]
    client: Any
    async with gateway.sdk() as client:
        for order, expected in (("asc", made), ("desc", made[::-1])):
            result = [completion.id async for completion in client.chat.completions.list(limit=3, order=order)]
            assert result == expected
        assert [completion.id async for completion in client.chat.completions.list()] == made
    page = (await gateway.call("/chat/completions?limit=3")).json
    assert (page["object"], page["first_id"], page["last_id"], page["has_more"]) == ("list", made[0], made[2], True)
    for completion in page["data"]:
        valid(ChatCompletion, completion)


async def test_the_list_is_narrowed_by_model_and_metadata(gateway: Gateway) -> None:
    ann = await store_completion(gateway, "One", metadata={"of": "ann", "n": "1"})
    other = await store_completion(gateway, "Two", metadata={"of": "ann", "n": "2"}, model="gpt-4o")
    await store_completion(gateway, "Three", metadata={"of": "bob"})
    client: Any
    async with gateway.sdk() as client:
        hers = [result.id async for result in client.chat.completions.list(metadata={"of": "ann"})]
        first = [result.id async for result in client.chat.completions.list(metadata={"of": "ann", "n": "1"})]
        larger = [result.id async for result in client.chat.completions.list(model="gpt-4o")]
    assert (hers, first, larger) == ([ann["id"], other["id"]], [ann["id"]], [other["id"]])


async def test_metadata_is_changed_and_nothing_else(gateway: Gateway) -> None:
    made = await store_completion(gateway, "One", metadata={"of": "ann"})
    path = f"/chat/completions/{made['id']}"
    before = (await gateway.call(path)).json
    client: Any
    async with gateway.sdk() as client:
        changed = await client.chat.completions.update(made["id"], metadata={"of": "bob"})
    assert changed.metadata == {"of": "bob"}
    assert (await gateway.call(path)).json == {**before, "metadata": {"of": "bob"}}
    cleared = await gateway.call(path, {"metadata": None})
    assert cleared.json["metadata"] == {}
    for body, code in (
        ({}, "missing_required_parameter"),
        ({"metadata": {"a": 1}}, "invalid_type"),
        ({"metadata": {"a" * 65: "b"}}, "property_name_above_max_length"),
    ):
        refused = await gateway.call(path, body)
        assert (refused.status, refused.error["code"]) == (400, code)


async def test_its_messages_are_listed_as_they_were_said(gateway: Gateway) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]},
        {"role": "assistant", "content": "A tide."},
        {"role": "user", "content": "Sure?", "name": "ann"},
    ]
    made = (await gateway.chat({**CHAT, "messages": messages, "store": True})).json
    client: Any
    async with gateway.sdk() as client:
        listed = [said async for said in client.chat.completions.messages.list(made["id"], limit=3)]
    assert [said.id for said in listed] == [f"{made['id']}-{number}" for number in range(4)]
    assert [said.role for said in listed] == ["system", "user", "assistant", "user"]
    assert listed[1].content_parts[1].image_url.url == image["image_url"]["url"]  # type: ignore[index]  # it is there
    raw = (await gateway.call(f"/chat/completions/{made['id']}/messages?order=desc&limit=2")).json
    assert [said["content"] for said in raw["data"]] == ["Sure?", "A tide."]
    assert raw["has_more"] is True
    valid(ChatCompletionStoreMessage, raw["data"][1])


async def test_what_is_deleted_is_gone(gateway: Gateway) -> None:
    made = await store_completion(gateway, "One")
    deleted = await gateway.call(f"/chat/completions/{made['id']}", method="DELETE")
    assert valid(ChatCompletionDeleted, deleted.json).deleted
    client: Any
    async with gateway.sdk() as client:
        for gone in (client.chat.completions.retrieve, client.chat.completions.delete):
            with pytest.raises(NotFoundError):
                await gone(made["id"])
        assert [result async for result in client.chat.completions.list()] == []


async def test_another_projects_completions_are_not_there(gateway: Gateway, world: World) -> None:
    made = await store_completion(gateway, "Secret")
    stranger = f"Bearer {(await world.make_key('elsewhere')).token}"
    path = f"/chat/completions/{made['id']}"
    asked = [
        await gateway.call(path, authorization=stranger),
        await gateway.call(f"{path}/messages", authorization=stranger),
        await gateway.call(path, {"metadata": {}}, authorization=stranger),
        await gateway.call(path, method="DELETE", authorization=stranger),
    ]
    assert {answer.status for answer in asked} == {404}
    assert (await gateway.call("/chat/completions", authorization=stranger)).json["data"] == []
    assert (await gateway.call(path)).status == 200


async def test_the_synchronous_client_pages_too(gateway: Gateway) -> None:
    for number in range(3):
        await store_completion(gateway, f"Question {number}")

    def read() -> int:
        with OpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0) as client:
            return len(list(client.chat.completions.list(limit=1)))

    assert await asyncio.to_thread(read) == 3


async def test_the_streaming_helper_reads_it(gateway: Gateway) -> None:
    client: Any
    async with (
        gateway.sdk() as client,
        client.chat.completions.stream(**ask("Stream this"), store=True) as stream,
    ):
        async for _ in stream:
            pass
        final = await stream.get_final_completion()
        kept = await client.chat.completions.retrieve(final.id)
    assert kept.choices[0].message.content == final.choices[0].message.content
