"""Responses are stored by the gateway: chained, read, listed and deleted with the official client."""

from typing import Any

import msgspec
import pytest
from openai import APIStatusError, BadRequestError, NotFoundError
from openai.types.responses import Response, ResponseItem, ResponseStreamEvent

from tests.gateway.recording import recorded
from tests.harness import Gateway, World
from tests.strict import valid, whole_response

Json = dict[str, Any]
MODEL = "gpt-4o-mini"
WEATHER: Json = {
    "type": "function",
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


async def test_a_chain_goes_on_from_what_was_said(gateway: Gateway) -> None:
    client: Any
    async with gateway.sdk() as client:
        first = await client.responses.create(model=MODEL, input="I am Ann.", metadata={"of": "ann"})
        second = await client.responses.create(
            model=MODEL, input="Who am I?", previous_response_id=first.id, instructions="Be brief."
        )
        assert first.id.startswith("resp_")
        assert first.metadata == {"of": "ann"}
        assert second.previous_response_id == first.id
        assert first.usage is not None
        assert second.usage is not None
        assert second.usage.input_tokens > first.usage.input_tokens
        fetched = await client.responses.retrieve(second.id)
        assert fetched.model_dump() == second.model_dump()
        items = [item async for item in client.responses.input_items.list(second.id)]
        assert [item.id for item in items][1:2] == [first.output[0].id]
        assert [getattr(item, "role", "") for item in items] == ["user", "assistant", "user"]


@pytest.mark.parametrize("stream", [False, True])
async def test_every_document_is_whole_and_strictly_typed(gateway: Gateway, stream: bool) -> None:
    answer = await gateway.call("/responses", {"model": MODEL, "input": "Hello", "stream": stream})
    document = answer.events[-1]["response"] if stream else answer.json
    fetched = (await gateway.call(f"/responses/{document['id']}")).json
    for one in (document, fetched):
        whole_response(one)
        assert valid(Response, one).output_text
        assert one["store"] is True
    assert fetched == document
    listed = (await gateway.call(f"/responses/{document['id']}/input_items")).json
    assert (listed["object"], listed["has_more"]) == ("list", False)
    assert listed["first_id"] == listed["last_id"] == listed["data"][0]["id"]
    for item in [*listed["data"], *document["output"]]:
        valid(ResponseItem, item)


async def test_a_stream_speaks_of_one_response_and_its_own_items_from_end_to_end(gateway: Gateway) -> None:
    answer = await gateway.call("/responses", {"model": "gpt-5-mini", "input": "Hello", "stream": True})
    events = answer.events
    final = events[-1]["response"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert {event["response"]["id"] for event in events if "response" in event} == {final["id"]}
    names = {event["item_id"] for event in events if "item_id" in event}
    names |= {event["item"]["id"] for event in events if "item" in event}
    assert names == {item["id"] for item in final["output"]}
    assert "encrypted_content" not in answer.text
    asked = await gateway.call(f"/responses/{final['id']}?include[]=reasoning.encrypted_content")
    assert asked.json["output"][0]["encrypted_content"].startswith("gAAAA")


@pytest.mark.parametrize(
    "body",
    [
        {"model": MODEL},
        {"model": "gpt-5-mini", "reasoning": {"summary": "auto"}},
        {"model": MODEL, "tools": [WEATHER], "tool_choice": "required"},
        {"model": MODEL, "top_logprobs": 2, "include": ["message.output_text.logprobs"]},
        {"model": MODEL, "max_output_tokens": 2},
    ],
)
async def test_every_event_is_strictly_typed(gateway: Gateway, body: Json) -> None:
    answer = await gateway.call("/responses", {**body, "input": "Hello", "stream": True})
    for event in answer.events:
        valid(ResponseStreamEvent, event)


async def test_the_streaming_helper_reads_it(gateway: Gateway) -> None:
    client: Any
    async with gateway.sdk() as client, client.responses.stream(model=MODEL, input="Hello") as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert final.output_text


async def test_nothing_of_it_is_known_upstream(world: World) -> None:
    async with recorded(world) as (gateway, bodies):
        one = await gateway.call("/responses", {"model": "gpt-5-mini", "input": "One", "metadata": {"of": "ann"}})
        two = {"model": "gpt-5-mini", "input": "Two", "previous_response_id": one.json["id"], "store": True}
        assert (await gateway.call("/responses", two)).status == 200
    first, second = bodies
    for body in (first, second):
        assert body["store"] is False
        assert body["include"] == ["reasoning.encrypted_content"]
        assert {"metadata", "previous_response_id", "conversation", "background"} & set(body) == set()
    said = [item["type"] for item in second["input"]]
    assert said == ["message", "reasoning", "message", "message"]
    assert [item["type"] for item in second["input"] if "id" in item] == ["reasoning"], "it is sealed with its id"
    assert second["input"][1]["id"] == one.json["output"][0]["id"]
    assert second["input"][1]["encrypted_content"].startswith("gAAAA")


async def test_what_is_not_stored_cannot_be_fetched_but_may_go_on(gateway: Gateway) -> None:
    client: Any
    async with gateway.sdk() as client:
        kept = await client.responses.create(model=MODEL, input="One")
        unkept = await client.responses.create(model=MODEL, input="Two", previous_response_id=kept.id, store=False)
        assert unkept.previous_response_id == kept.id
        with pytest.raises(NotFoundError):
            await client.responses.retrieve(unkept.id)
        with pytest.raises(BadRequestError) as refused:
            await client.responses.create(model=MODEL, input="Three", previous_response_id=unkept.id)
    assert refused.value.code == "previous_response_not_found"
    assert refused.value.param == "previous_response_id"


async def test_a_tool_is_called_and_answered_along_a_chain(gateway: Gateway) -> None:
    client: Any
    async with gateway.sdk() as client:
        first = await client.responses.create(model=MODEL, input="Weather?", tools=[WEATHER], tool_choice="required")
        (call,) = first.output
        assert call.type == "function_call"
        output: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}]
        second = await client.responses.create(model=MODEL, input=output, previous_response_id=first.id)
        assert second.output_text
        items = (await gateway.call(f"/responses/{second.id}/input_items")).json["data"]
    assert valid(ResponseItem, items[0]).output == "sunny"
    assert items[0]["status"] == "completed"


async def test_items_may_be_named_instead_of_said_again(world: World) -> None:
    async with recorded(world) as (gateway, bodies):
        first = (await gateway.call("/responses", {"model": "gpt-5-mini", "input": "One"})).json
        reference = {"type": "item_reference", "id": first["output"][-1]["id"]}
        reasoning = {"type": "reasoning", "id": first["output"][0]["id"], "summary": []}
        value = [reasoning, reference, {"role": "user", "content": "Two"}]
        body = {"model": "gpt-5-mini", "input": value, "store": False}
        assert (await gateway.call("/responses", body)).status == 200
        missing = await gateway.call("/responses", {"model": MODEL, "input": [{"id": "msg_none"}]})
    sent = bodies[-1]["input"]
    assert [item["type"] for item in sent[:2]] == ["reasoning", "message"]
    assert sent[0]["encrypted_content"]
    assert sent[1]["content"][0]["text"]
    assert (missing.status, missing.error["param"]) == (404, "input")


async def test_a_page_at_a_time_in_either_order(gateway: Gateway) -> None:
    value: Any = [{"role": "user", "content": f"line {number}"} for number in range(7)]
    client: Any
    async with gateway.sdk() as client:
        response = await client.responses.create(model=MODEL, input=value)
        for order, expected in (("asc", range(7)), ("desc", range(6, -1, -1))):
            pages = client.responses.input_items.list(response.id, limit=3, order=order)
            said = [item.content[0].text async for item in pages if item.type == "message"]
            assert said == [f"line {number}" for number in expected]


async def test_what_is_deleted_is_gone_and_the_chain_goes_on(gateway: Gateway) -> None:
    client: Any
    async with gateway.sdk() as client:
        first = await client.responses.create(model=MODEL, input="One")
        second = await client.responses.create(model=MODEL, input="Two", previous_response_id=first.id)
        deleted = await gateway.call(f"/responses/{first.id}", method="DELETE")
        assert deleted.json == {"id": first.id, "object": "response", "deleted": True}
        with pytest.raises(NotFoundError):
            await client.responses.retrieve(first.id)
        with pytest.raises(NotFoundError):
            await client.responses.delete(first.id)
        third = await client.responses.create(model=MODEL, input="Three", previous_response_id=second.id)
        assert third.usage is not None
        assert second.usage is not None
        assert third.usage.input_tokens > second.usage.input_tokens


async def test_images_are_kept_and_shown_to_who_asks(world: World) -> None:
    image = "data:image/png;base64,iVBORw0KGgoA" + "A" * 200_000
    content = [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": image}]
    body = {"model": MODEL, "input": [{"role": "user", "content": content}]}
    async with recorded(world) as (gateway, bodies):
        first = (await gateway.call("/responses", body)).json
        await gateway.call("/responses", {"model": MODEL, "input": "And now?", "previous_response_id": first["id"]})
        items = f"/responses/{first['id']}/input_items"
        hidden = (await gateway.call(items)).json
        shown = (await gateway.call(f"{items}?include[]=message.input_image.image_url")).json
    assert bodies[-1]["input"][0]["content"][1]["image_url"] == image
    assert hidden["data"][0]["content"][1]["image_url"] is None
    assert shown["data"][0]["content"][1]["image_url"] == image


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "", 404),
        ("DELETE", "", 404),
        ("POST", "/cancel", 404),
        ("GET", "/input_items", 404),
    ],
)
async def test_another_projects_response_is_not_there(
    world: World, gateway: Gateway, method: str, path: str, status: int
) -> None:
    response = (await gateway.call("/responses", {"model": MODEL, "input": "Secret"})).json
    stranger = (await world.make_key("elsewhere")).token
    asked = await gateway.call(f"/responses/{response['id']}{path}", method=method, authorization=f"Bearer {stranger}")
    assert asked.status == status
    assert "Secret" not in asked.text
    chained = {"model": MODEL, "input": "x", "previous_response_id": response["id"]}
    refused = await gateway.call("/responses", chained, authorization=f"Bearer {stranger}")
    assert (refused.status, refused.error["code"]) == (400, "previous_response_not_found")
    assert (await gateway.call(f"/responses/{response['id']}")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "param", "message"),
    [
        ("GET", "/responses/nothing", 400, "response_id", "Expected an ID that begins with 'resp'."),
        ("GET", "/responses/resp_none", 404, None, "resp_none"),
        ("GET", "/responses/{id}?stream=true", 400, "stream", "was not created with background=true."),
        ("GET", "/responses/{id}?include[]=everything", 400, "include", "Supported values are"),
        ("POST", "/responses/{id}/cancel", 400, None, "Cannot cancel a synchronous response."),
        ("GET", "/responses/{id}/input_items?limit=101", 400, "limit", "Expected a value <= 100, but got 101 instead."),
        ("GET", "/responses/{id}/input_items?order=up", 400, "order", "asc"),
        ("GET", "/responses/{id}/input_items?after=msg_none", 404, None, "msg_none"),
    ],
)
async def test_a_refusal_says_what_is_wrong(
    gateway: Gateway, method: str, path: str, status: int, param: str | None, message: str
) -> None:
    response = (await gateway.call("/responses", {"model": MODEL, "input": "Hello"})).json
    refused = await gateway.call(path.replace("{id}", response["id"]), method=method)
    assert refused.status == status, refused.text
    assert set(refused.error) == {"message", "type", "param", "code"}
    assert refused.error["type"] == "invalid_request_error"
    assert refused.error["param"] == param
    assert message in refused.error["message"]


@pytest.mark.parametrize("fault", ["error_in_stream", "truncated", "truncated_clean", "malformed", "server_error"])
async def test_what_failed_is_kept_as_such_where_its_caller_heard_of_it(gateway: Gateway, fault: str) -> None:
    body = {"model": MODEL, "input": "Hello", "stream": True}
    answer = await gateway.call("/responses", body, x_simulate_fault=fault)
    if fault == "server_error":
        assert answer.status == 500
        return
    named = answer.events[0]["response"]["id"]
    kept = (await gateway.call(f"/responses/{named}")).json
    assert kept["status"] == "failed"
    assert kept["error"] == {"code": "server_error", "message": answer.events[-1]["error"]["message"]}
    assert kept["completed_at"] is None
    valid(Response, kept)


async def test_an_answer_cut_short_is_kept_as_incomplete(gateway: Gateway) -> None:
    body = {"model": MODEL, "input": "Hello", "max_output_tokens": 16}
    answer = (await gateway.call("/responses", body, x_simulate_tokens="50")).json
    kept = (await gateway.call(f"/responses/{answer['id']}")).json
    assert kept == answer
    assert kept["status"] == "incomplete"
    assert kept["incomplete_details"] == {"reason": "max_output_tokens"}


@pytest.mark.parametrize("path", ["/responses", "/responses/compact"])
async def test_an_answer_cut_while_it_reasons_can_be_gone_on_from(gateway: Gateway, path: str) -> None:
    """The upstream refuses reasoning that leads to nothing, and would refuse each later turn with it."""
    body = {"model": "gpt-5-mini", "input": "Hello", "max_output_tokens": 16}
    cut = (await gateway.call("/responses", body)).json
    assert [item["type"] for item in cut["output"]] == ["reasoning"]
    then = {"model": "gpt-5-mini", "input": "And now?", "previous_response_id": cut["id"]}
    assert (await gateway.call(path, then)).status == 200
    listed = (await gateway.call(f"/responses/{cut['id']}")).json
    assert listed["output"] == cut["output"]


async def test_who_hangs_up_leaves_nothing_behind(gateway: Gateway, world: World) -> None:
    body = {"model": MODEL, "input": "Hello", "stream": True}
    slow = {"x_simulate_tps": "5", "x_simulate_tokens": "500"}
    async with gateway.open("/responses", body, **slow) as response:
        first = await response.content.readuntil(b"\n\n")
        named = msgspec.json.decode(first.split(b"data: ")[1])["response"]["id"]
        assert (await gateway.call(f"/responses/{named}")).status == 404
        assert (await gateway.call(f"/responses/{named}/cancel", method="POST")).status == 404
    await world.wait_for_stats(in_flight=0)
    assert (await gateway.call(f"/responses/{named}")).status == 404


async def test_each_caller_of_one_answer_has_its_own(gateway: Gateway, world: World) -> None:
    body = {"model": MODEL, "input": "Hello"}
    one = await gateway.call("/responses", {**body, "metadata": {"of": "ann"}})
    other = await gateway.call("/responses", {**body, "metadata": {"of": "bob"}, "stream": True})
    unstored = await gateway.call("/responses", {**body, "store": False})
    assert [answer.headers["x-tidegate-cache"] for answer in (one, other, unstored)] == ["miss", "hit", "hit"]
    assert await world.calls("responses") == 1
    mine, theirs = one.json, other.events[-1]["response"]
    assert mine["id"] != theirs["id"]
    assert {item["id"] for item in mine["output"]} & {item["id"] for item in theirs["output"]} == set()
    for document, owner in ((mine, "ann"), (theirs, "bob")):
        kept = (await gateway.call(f"/responses/{document['id']}")).json
        assert kept == document
        assert kept["metadata"] == {"of": owner}


async def test_what_cannot_be_is_refused_before_anybody_is_asked(gateway: Gateway, world: World) -> None:
    client: Any
    async with gateway.sdk() as client:
        for fields in (
            {"previous_response_id": "resp_1", "conversation": "conv_1"},
            {"background": True, "store": False},
            {"metadata": {"a": "b" * 513}},
            {"previous_response_id": "resp_none"},
        ):
            with pytest.raises(APIStatusError) as refused:
                await client.responses.create(model=MODEL, input="x", **fields)
            assert refused.value.status_code == 400
    assert await world.calls("responses") == 0
