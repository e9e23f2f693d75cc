"""Background responses with the official client: polled, streamed from any event and any replica, and cancelled."""

import asyncio
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import Response, ResponseStreamEvent

from tests.eventually import PATIENCE_SECONDS, wait_until_async
from tests.harness import Gateway, World
from tests.strict import valid, whole_response
from tidegate.auth.grants import KeyChange, LimitsChange

MODEL = "gpt-4o-mini"
QUESTION = "When is high tide?"
SLOW = {"x-simulate-tps": "20", "x-simulate-tokens": "2000"}
PACED = {"x-simulate-ttft": "0.2", "x-simulate-tps": "100", "x-simulate-tokens": "20"}
NEVER = {"x-simulate-ttft": "600"}


async def finished_response(client: AsyncOpenAI, response_id: str) -> Response:
    """Poll until the response is finished."""
    result: list[Response] = []

    async def over() -> bool:
        result[:] = [await client.responses.retrieve(response_id)]
        return result[0].status not in ("queued", "in_progress")

    await wait_until_async(over)
    return result[0]


async def create_background(client: AsyncOpenAI, **more: Any) -> Any:
    """Create a background response, or open its stream."""
    return await client.responses.create(**{"model": MODEL, "input": QUESTION, "background": True, **more})


async def events_of(stream: Any) -> list[Any]:
    """Return all events of a stream."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return [event async for event in stream]


def text_of(events: list[Any]) -> str:
    """Return the text of the events."""
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


async def test_it_is_answered_at_once_and_polled(gateway: Gateway, world: World) -> None:
    async with gateway.sdk() as client:
        promised = await create_background(client, metadata={"of": "me"}, extra_headers=PACED)
        assert (promised.status, promised.output, promised.background, promised.usage) == ("queued", [], True, None)
        answer = await finished_response(client, promised.id)
        assert answer.status == "completed"
        assert answer.output_text
        assert (answer.id, answer.created_at, answer.metadata) == (promised.id, promised.created_at, {"of": "me"})
        assert answer.usage is not None
        items = await client.responses.input_items.list(promised.id)
        assert [item.type for item in items.data] == ["message"]
    (line,) = await world.ledger_entries(1)
    assert (line["outcome"], line["cache"], line["route"]) == ("ok", "miss", "responses")
    assert line["cost_nanos"] > 0


async def test_its_stream_is_read_as_it_comes_and_again(gateway: Gateway, world: World) -> None:
    async with gateway.sdk() as client:
        stream = await create_background(client, stream=True, extra_headers=PACED)
        events = await events_of(stream)
        assert [event.sequence_number for event in events] == list(range(len(events)))
        kinds = [event.type for event in events]
        assert kinds[:3] == ["response.created", "response.queued", "response.in_progress"]
        assert kinds[-1] == "response.completed"
        assert len({event.response.id for event in events if hasattr(event, "response")}) == 1
        last = events[-1]
        assert last.type == "response.completed"
        answer = await client.responses.retrieve(last.response.id)
        assert answer.output_text == text_of(events) == last.response.output_text
        for after in (0, 4, len(events) - 2, len(events) - 1, len(events) + 3):
            again = await client.responses.retrieve(answer.id, stream=True, starting_after=after)
            assert await events_of(again) == events[after + 1 :]
    assert await world.calls("responses") == 1
    await world.ledger_entries(1)


async def test_the_clients_own_helper_takes_a_stream_up_again(gateway: Gateway) -> None:
    client: Any
    async with gateway.sdk() as client:
        promised = await create_background(client, extra_headers=PACED)
        async with client.responses.stream(response_id=promised.id, starting_after=3) as stream:
            events = await events_of(stream)
            final = await stream.get_final_response()
        assert [event.sequence_number for event in events] == list(range(4, 4 + len(events)))
        assert final.output_text == text_of(events) != ""


async def test_another_replica_streams_what_this_one_asks(world: World) -> None:
    async with world.gateway() as one, world.gateway() as other, one.sdk() as here, other.sdk() as there:
        promised = await create_background(here, extra_headers=PACED)
        both = [await client.responses.retrieve(promised.id, stream=True) for client in (here, there)]
        first, second = await asyncio.gather(*(events_of(stream) for stream in both))
        assert first == second
        assert text_of(first)
    assert await world.calls("responses") == 1


async def test_who_leaves_its_stream_ends_nothing(gateway: Gateway, world: World) -> None:
    async with gateway.sdk() as client:
        stream = await create_background(client, stream=True, extra_headers=PACED)
        async for event in stream:
            if event.type == "response.output_text.delta":
                break
        await stream.close()
        assert event.sequence_number > 0
        last = event.sequence_number
        ((promised,),) = await world.rows("SELECT response_id FROM background_jobs")
        rest = await events_of(await client.responses.retrieve(promised, stream=True, starting_after=last))
        assert [one.sequence_number for one in rest] == list(range(last + 1, last + 1 + len(rest)))
        assert rest[-1].type == "response.completed"
    assert (await world.stats())["cancelled"] == 0


@pytest.mark.parametrize("headers", [NEVER, SLOW])
async def test_cancelling_ends_it_on_whichever_replica_it_runs(world: World, headers: dict[str, str]) -> None:
    async with world.gateway() as one, world.gateway() as other, one.sdk() as here, other.sdk() as there:
        promised = await create_background(here, extra_headers=headers)
        stream = await there.responses.retrieve(promised.id, stream=True)
        await world.wait_for_stats(in_flight=1)
        if headers is SLOW:
            async for event in stream:
                if event.type == "response.output_text.delta":
                    break
        cancelled = await there.responses.cancel(promised.id)
        await world.wait_for_stats(in_flight=0, cancelled=1)
        assert (cancelled.status, cancelled.error) == ("cancelled", None)
        assert bool(cancelled.output_text) is (headers is SLOW)
        assert await here.responses.cancel(promised.id) == cancelled == await here.responses.retrieve(promised.id)
        last = (await events_of(stream))[-1]
        assert last.type == "response.failed"
        assert last.response.status == "cancelled"
    (line,) = await world.ledger_entries(1)
    assert line["outcome"] == "client_disconnected"


async def test_what_is_no_background_response_is_refused(gateway: Gateway) -> None:
    async with gateway.sdk() as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await create_background(client, store=False)
        assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "background")
        plain = await client.responses.create(model=MODEL, input=QUESTION)
        with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
            await client.responses.cancel(plain.id)
        with pytest.raises(openai.BadRequestError, match="was not created with background=true"):
            await client.responses.retrieve(plain.id, stream=True)
        with pytest.raises(openai.NotFoundError):
            await client.responses.cancel("resp_0")


async def test_another_project_sees_nothing_of_it(gateway: Gateway, world: World) -> None:
    async with gateway.sdk() as client:
        promised = await create_background(client, extra_headers=NEVER)
        stranger = (await world.make_key("bank")).token
        async with gateway.sdk(api_key=stranger) as other:
            for asking in (
                other.responses.retrieve(promised.id),
                other.responses.retrieve(promised.id, stream=True),
                other.responses.cancel(promised.id),
                other.responses.delete(promised.id),
            ):
                with pytest.raises(openai.NotFoundError):
                    await asking
        await client.responses.cancel(promised.id)


async def test_what_the_upstream_refuses_failed(gateway: Gateway, world: World) -> None:
    async with gateway.sdk() as client:
        promised = await create_background(client, extra_headers={"x-simulate-fault": "server_error"})
        answer = await finished_response(client, promised.id)
        assert answer.status == "failed"
        assert answer.error is not None
        assert answer.error.code == "server_error"
        events = await events_of(await client.responses.retrieve(promised.id, stream=True))
        assert events[-1].type == "response.failed"
        assert events[-1].response == answer
    await world.ledger_entries(1)


async def test_a_revoked_key_has_nothing_done_for_it(world: World) -> None:
    key = await world.make_key()
    async with (
        world.gateway(background={"concurrency": 2}) as gateway,
        gateway.sdk(api_key=key.token) as client,
        gateway.sdk() as other,
    ):
        fillers = [await create_background(other, extra_headers=NEVER, input=f"Filler {n}") for n in range(2)]
        await world.wait_for_stats(in_flight=2)
        promised = await create_background(client)
        await world.keys.revoke(key.record.id)

        async def refused() -> bool:
            return (await gateway.call("/models", authorization=f"Bearer {key.token}")).status == 401

        await wait_until_async(refused)
        for filler in fillers:
            await other.responses.cancel(filler.id)
        answer = await finished_response(other, promised.id)
        assert answer.status == "failed"
        assert answer.error is not None
        assert "revoked" in answer.error.message
    assert await world.calls("responses") == 2
    await world.ledger_entries(2)


async def test_every_document_is_whole_and_strictly_typed(gateway: Gateway) -> None:
    body = {"model": MODEL, "input": QUESTION, "background": True}
    queued = (await gateway.call("/responses", body, x_simulate_tps="20", x_simulate_tokens="40")).json
    streamed = await gateway.call(f"/responses/{queued['id']}?stream=true&starting_after=0")
    assert streamed.headers["content-type"].startswith("text/event-stream")
    over = (await gateway.call(f"/responses/{queued['id']}")).json
    results = [event["response"] for event in streamed.events if "response" in event]
    for document in (queued, *results, over):
        whole_response(document)
        valid(Response, document)
        assert (document["background"], document["store"], document["id"]) == (True, True, queued["id"])
    assert [document["status"] for document in results] == ["queued", "in_progress", "completed"]
    assert results[-1] == over
    for event in streamed.events:
        valid(ResponseStreamEvent, event)


@pytest.mark.parametrize("after", ["99999999999", "2147483648"])
async def test_beyond_the_last_event_there_is_nothing(gateway: Gateway, after: str) -> None:
    async with gateway.sdk() as client:
        promised = await create_background(client)
        await finished_response(client, promised.id)
    answer = await gateway.call(f"/responses/{promised.id}?stream=true&starting_after={after}")
    assert (answer.status, answer.events) == (200, [])


async def test_a_chain_goes_on_through_the_background(gateway: Gateway) -> None:
    async with gateway.sdk() as client:
        first = await finished_response(client, (await create_background(client)).id)
        unfinished = await create_background(client, previous_response_id=first.id, extra_headers=NEVER)
        with pytest.raises(openai.BadRequestError, match="still being made"):
            await client.responses.create(model=MODEL, input="Then?", previous_response_id=unfinished.id)
        await client.responses.cancel(unfinished.id)
        answer = await finished_response(
            client, (await create_background(client, input="And then?", previous_response_id=first.id)).id
        )
        assert answer.previous_response_id == first.id
        assert answer.usage is not None
        assert first.usage is not None
        assert answer.usage.input_tokens > first.usage.input_tokens + first.usage.output_tokens
        with pytest.raises(openai.BadRequestError) as refused:
            await create_background(client, previous_response_id="resp_0")
        assert refused.value.code == "previous_response_not_found"


async def test_a_turn_of_a_conversation_keeps_it_until_it_is_over(gateway: Gateway) -> None:
    async with gateway.sdk() as client:
        conversation = await client.conversations.create()
        promised = await create_background(client, conversation=conversation.id, extra_headers=NEVER)
        with pytest.raises(openai.ConflictError):
            await client.responses.create(model=MODEL, input="Now?", conversation=conversation.id)
        await client.responses.cancel(promised.id)
        again = await create_background(client, input="Again?", conversation=conversation.id)
        answer = await finished_response(client, again.id)
        assert answer.conversation is not None
        assert answer.conversation.id == conversation.id
        items = await client.conversations.items.list(conversation.id, order="asc")
        assert [getattr(item, "role", None) for item in items.data] == ["user", "user", "assistant"]


async def last_word(stream: Any) -> str:
    """Return how a stream ends."""
    try:
        return str((await events_of(stream))[-1].response.status)
    except openai.APIError as error:
        return "gone" if "no response with that id" in error.message else error.message


async def test_what_is_deleted_is_worked_on_no_more(gateway: Gateway, world: World) -> None:
    async with gateway.sdk() as client:
        promised = await create_background(client, extra_headers=NEVER)
        stream = await client.responses.retrieve(promised.id, stream=True)
        await world.wait_for_stats(in_flight=1)
        await client.responses.delete(promised.id)
        await world.wait_for_stats(in_flight=0, cancelled=1)
        assert await last_word(stream) in ("cancelled", "gone")  # depending on which its reader notices first
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve(promised.id)
    assert await world.rows("SELECT response_id FROM background_jobs") == []
    assert await world.rows("SELECT response_id FROM response_events") == []


async def test_it_goes_with_its_response_when_its_time_is_over(gateway: Gateway, world: World) -> None:
    await world.rows("UPDATE projects SET retention_days = 7 WHERE id = 'shop'")
    async with gateway.sdk() as client:
        await finished_response(client, (await create_background(client)).id)
    ((job,), (response,)) = [
        (await world.rows(f"SELECT expires_on FROM {table}"))[0]  # noqa: S608  # two names
        for table in ("background_jobs", "responses")
    ]
    assert job == response


async def test_a_limit_of_calls_in_flight_is_kept_and_waited_for(world: World) -> None:
    key = await world.keys.create(project="shop", name="x", grants=KeyChange(limits=LimitsChange(concurrency=1)))
    async with world.gateway() as gateway, gateway.sdk(api_key=key.token) as client:
        endless = await create_background(client, input="Never?", extra_headers=NEVER)
        await world.wait_for_stats(in_flight=1)
        waiting = await create_background(client)

        async def put_off() -> bool:
            query = "SELECT attempt FROM background_jobs WHERE response_id = $1"
            return bool((await world.rows(query, waiting.id))[0][0] >= 4)  # started twice, and given back twice

        await wait_until_async(put_off)
        assert await world.calls("responses") == 1
        await client.responses.cancel(endless.id)
        assert (await finished_response(client, waiting.id)).status == "completed"
    await world.ledger_entries(2)


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"rpm": 1}, "rate_limit_exceeded"),
        ({"budget_day": 0}, "budget_exceeded"),
        ({"tpm": 3}, "request_exceeds_limit"),
    ],
)
async def test_a_refusal_that_lasts_is_told_at_once(world: World, limits: dict[str, int], error: str) -> None:
    key = await world.keys.create(project="shop", name="x", grants=KeyChange(limits=LimitsChange(**limits)))
    async with world.gateway() as gateway:
        body = {"model": MODEL, "input": QUESTION, "background": True}
        bearer = f"Bearer {key.token}"
        answers = [await gateway.call("/responses", body, authorization=bearer) for _ in range(2)]
    assert answers[-1].status == 429
    assert answers[-1].headers["x-tidegate-error"] == error
    assert len(await world.rows("SELECT 1 FROM background_jobs")) == (1 if "rpm" in limits else 0)


async def test_a_project_has_so_many_under_way(world: World) -> None:
    async with world.gateway(background={"max_open": 2}) as gateway, gateway.sdk() as client:
        made = [await create_background(client, input=f"Question {n}", extra_headers=NEVER) for n in range(2)]
        with pytest.raises(openai.RateLimitError, match="has 2 unfinished background responses"):
            await create_background(client)
        await client.responses.cancel(made[0].id)
        made.append(await create_background(client, extra_headers=NEVER))
        for one in made[1:]:
            await client.responses.cancel(one.id)


async def test_nothing_is_left_of_a_forgotten_end_users(gateway: Gateway, world: World) -> None:
    async with gateway.sdk() as client:
        over = await create_background(client, safety_identifier="ada")
        await finished_response(client, over.id)
        await create_background(client, input="Never?", safety_identifier="ada", extra_headers=NEVER)
        bobs = await create_background(client, input="Bob?", safety_identifier="bob")
        await world.wait_for_stats(in_flight=1)
        admin = (await world.keys.create(project="operators", admin=True)).token
        headers = {"authorization": f"Bearer {admin}"}
        body = {"project": "shop", "end_user": "ada"}
        async with world.http.post(f"{gateway.root}/admin/v1/users/forget", json=body, headers=headers) as forgotten:
            assert forgotten.status == 200, await forgotten.text()
        await world.wait_for_stats(in_flight=0)
        await finished_response(client, bobs.id)
    for table in ("background_jobs", "response_events"):
        assert await world.rows(f"SELECT DISTINCT response_id FROM {table}") == [(bobs.id,)]  # noqa: S608  # two names
