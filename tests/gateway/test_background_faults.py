"""A background response is never lost, whenever its process dies, freezes or ends."""

import asyncio
import signal
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.eventually import wait_until_async
from tests.gateway.test_background import NEVER, create_background, events_of, finished_response, text_of
from tests.harness import World

pytestmark = pytest.mark.long

SOON: dict[str, Any] = {
    "background": {"lease_seconds": 1.0, "concurrency": 2},
    "budgets": {"lease_seconds": 1.0},
    "cache": {"lease_seconds": 0.5},
}
"""Short leases, so that a dead process is soon replaced."""
PATIENT = {"x-simulate-ttft": "1.5", "x-simulate-tps": "200", "x-simulate-tokens": "40"}
STEADY = {"x-simulate-tps": "40", "x-simulate-tokens": "80"}


async def wait_for_output(world: World, response_id: str) -> None:
    """Wait until a part of the answer is stored."""

    async def written() -> bool:
        rows = await world.rows("SELECT content_from FROM background_jobs WHERE response_id = $1", response_id)
        return rows[0][0] is not None

    await wait_until_async(written)


async def outcomes(world: World, count: int) -> dict[str, str]:
    """Return the ledger's outcomes by the suffix of the request id."""
    lines = await world.ledger_entries(count)
    first = min((line["id"] for line in lines), key=len)
    return {line["id"].removeprefix(first): line["outcome"] for line in lines}


def assert_complete(events: list[Any]) -> None:
    """Check that a stream has no gap, one beginning and one end."""
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:3] == ["response.created", "response.queued", "response.in_progress"]
    assert kinds.count("response.in_progress") == 1
    assert kinds[-1] in ("response.completed", "response.failed")


async def test_killed_while_it_waits(world: World) -> None:
    async with world.process(**SOON) as doomed, doomed.sdk() as client:
        fillers = [await create_background(client, input=f"Filler {n}", extra_headers=NEVER) for n in range(2)]
        await world.wait_for_stats(in_flight=2)
        promised = await create_background(client)
        doomed.kill()
        await doomed.wait()
    async with world.gateway(background={"lease_seconds": 1.0}) as survivor, survivor.sdk() as client:
        assert (await finished_response(client, promised.id)).status == "completed"
        for filler in fillers:
            assert (await client.responses.cancel(filler.id)).status == "cancelled"


async def test_killed_before_anything_was_said(world: World) -> None:
    async with world.process(**SOON) as doomed, world.gateway(**SOON) as survivor, survivor.sdk() as client:
        async with doomed.sdk() as there:
            promised = await create_background(there, extra_headers=PATIENT)
        await world.wait_for_stats(in_flight=1)
        stream = await client.responses.retrieve(promised.id, stream=True)
        doomed.kill()
        events = await events_of(stream)
        assert_complete(events)
        assert (await client.responses.retrieve(promised.id)).output_text == text_of(events)


async def test_killed_when_something_was_said_that_nobody_saw(world: World) -> None:
    async with world.process(**SOON) as doomed, doomed.sdk() as client:
        promised = await create_background(client, extra_headers=STEADY)
        await wait_for_output(world, promised.id)
        doomed.kill()
        await doomed.wait()
    async with world.gateway(**SOON) as survivor, survivor.sdk() as client:
        assert (await finished_response(client, promised.id)).status == "completed"
        events = await events_of(await client.responses.retrieve(promised.id, stream=True))
        assert_complete(events)
        assert events[-1].response.output_text == text_of(events)
        assert (await outcomes(world, 2)) == {"": "lost", "-2": "ok"}


async def test_killed_when_something_was_said_and_seen(world: World) -> None:
    async with world.process(**SOON) as doomed, doomed.sdk() as client:
        promised = await create_background(client, extra_headers=STEADY)
        await wait_for_output(world, promised.id)
        async with world.gateway(**SOON) as survivor, survivor.sdk() as other:
            stream = await other.responses.retrieve(promised.id, stream=True)
            seen: list[Any] = []
            async for event in stream:
                seen.append(event)
                if event.type == "response.output_text.delta":
                    break
            doomed.kill()
            seen += await events_of(stream)
            assert_complete(seen)
            failed = seen[-1].response
            assert (failed.status, failed.error.code) == ("failed", "server_error")
            assert "restarted" in failed.error.message
            assert failed.output[0].content[0].text == text_of(seen)
            assert await other.responses.retrieve(promised.id) == failed
            await survivor.chat()  # the lost entry is found by the next process
            lost, chat = await world.ledger_entries(2)
            assert (lost["outcome"], chat["outcome"]) == ("lost", "ok")
            assert lost["cost_nanos"] > 0
    assert await world.calls("responses") == 1


async def test_a_process_that_was_frozen_ends_nothing_of_what_another_does(world: World) -> None:
    async with world.process(**SOON) as frozen, frozen.sdk() as there:
        promised = await create_background(there, extra_headers=STEADY)
        await wait_for_output(world, promised.id)
        frozen.process.send_signal(signal.SIGSTOP)
        async with world.gateway(**SOON) as survivor, survivor.sdk() as client:
            await wait_for_takeover(world, promised.id)
            frozen.process.send_signal(signal.SIGCONT)
            assert (await finished_response(client, promised.id)).status == "completed"
            events = await events_of(await client.responses.retrieve(promised.id, stream=True))
            assert_complete(events)
            assert events[-1].response.output_text == text_of(events)

            async def forgotten() -> bool:
                return await world.rows("SELECT id FROM pgqueuer") == []

            await wait_until_async(forgotten)


async def wait_for_takeover(world: World, response_id: str) -> None:
    """Wait for the second attempt."""

    async def second() -> bool:
        rows = await world.rows("SELECT attempt FROM background_jobs WHERE response_id = $1", response_id)
        return bool(rows[0][0] >= 2)

    await wait_until_async(second)


@pytest.mark.parametrize("grace", [1, 20])
async def test_a_process_that_ends_finishes_or_gives_back(world: World, grace: int) -> None:
    async with world.process(server={"grace_seconds": grace}, **SOON) as ending, ending.sdk() as client:
        promised = await create_background(client, extra_headers={"x-simulate-tps": "20", "x-simulate-tokens": "60"})
        await wait_for_output(world, promised.id)
        assert await ending.stop() == 0
    finished = grace == 20
    ((status, deaths),) = await world.rows("SELECT status, deaths FROM background_jobs")
    assert (status, deaths) == ("finished" if finished else "queued", 0)
    async with world.gateway(**SOON) as survivor, survivor.sdk() as client:
        assert (await finished_response(client, promised.id)).status == "completed"
        assert_complete(await events_of(await client.responses.retrieve(promised.id, stream=True)))
    assert await world.calls("responses") == (1 if finished else 2)


async def test_a_process_that_ends_gives_back_while_a_stream_still_holds_it(world: World) -> None:
    async with world.process(server={"grace_seconds": 2}, **SOON) as ending, ending.sdk() as client:
        promised = await create_background(client, extra_headers=NEVER)
        stream = await client.responses.retrieve(promised.id, stream=True)
        await world.wait_for_stats(in_flight=1)
        ended_ = asyncio.create_task(ending.stop())
        await world.wait_for_stats(in_flight=0)  # the attempt is given up, though its reader is still served
        with pytest.raises(openai.APIError) as cut:
            await events_of(stream)
        assert cut.value.code == "shutting_down"
        assert await ended_ == 0
    ((status, deaths),) = await world.rows("SELECT status, deaths FROM background_jobs")
    assert (status, deaths) == ("queued", 0)


async def test_many_jobs_over_three_processes_of_which_two_are_killed(world: World) -> None:
    async with world.gateway(**SOON) as survivor, survivor.sdk() as client:
        async with world.process(**SOON) as one, world.process(**SOON) as other:
            made = await asyncio.gather(*(start_background(client, n) for n in range(12)))
            await wait_for_some_outputs(world)
            one.kill()
            other.kill()
        answers = await asyncio.gather(*(finished_response(client, name) for name in made))
        assert {answer.status for answer in answers} == {"completed"}
        for answer in answers:
            events = await events_of(await client.responses.retrieve(answer.id, stream=True))
            assert_complete(events)
            assert text_of(events) == answer.output_text
        await survivor.chat()  # lost entries are found by the next process
        lines = [line for line in await world.all_entries() if line["route"] == "responses"]
        assert len({line["id"][:36] for line in lines if line["outcome"] == "ok"}) == 12
        assert {line["outcome"] for line in lines} <= {"ok", "lost"}
        assert len(lines) >= await world.calls("responses")
    assert await world.rows("SELECT id FROM pgqueuer") == []


async def start_background(client: AsyncOpenAI, number: int) -> str:
    """Start a background response with its own question; return its id."""
    promised = await create_background(client, input=f"Question {number}", extra_headers=STEADY)
    return str(promised.id)


async def wait_for_some_outputs(world: World) -> None:
    """Wait until parts are stored of as many answers as three processes work on."""

    async def written() -> bool:
        rows = await world.rows("SELECT 1 FROM background_jobs WHERE content_from IS NOT NULL")
        return len(rows) >= 6

    await wait_until_async(written)
