"""A queued call gets heartbeats, and then its answer or a true refusal."""

import asyncio
from typing import Any

import openai
import pytest

from tests.eventually import wait_until_async
from tests.harness import CHAT, EMBEDDINGS, RESPONSES, STREAM, Gateway, World, ask
from tidegate.core.clock import SystemClock
from tidegate.queue.messages import CapacityReport, LaneLimits
from tidegate.queue.store import CapacityStore
from tidegate.storage.redis import RedisLink

LANE = "openai/default/gpt-4o-mini"
RESTLESS = {"server": {"ping_seconds": 0.05}}


class UpstreamFeedback:
    """The upstream's state as its answers would report it."""

    def __init__(self, link: RedisLink, prefix: str) -> None:
        self._store = CapacityStore(link, prefix=prefix, lane_limits=lambda _: LaneLimits())

    async def refuse_for(self, seconds: float, lane: str = LANE) -> None:
        """Report a refusal with this wait."""
        said = CapacityReport(rpm=600, rpm_remaining=600, rejection_kind="requests", retry_after=seconds)
        await self._store.learn(lane, said, SystemClock().now())

    async def waiting(self) -> int:
        """Return the number of waiting calls over all replicas."""
        return sum(lane.waiting for lane in await self._store.snapshot(SystemClock().now(), limit=1))


@pytest.fixture
def upstream(world: World, redis_link: RedisLink) -> UpstreamFeedback:
    return UpstreamFeedback(redis_link, world.prefix)


@pytest.mark.parametrize(
    ("path", "body"),
    [("/chat/completions", CHAT), ("/responses", RESPONSES), ("/embeddings", EMBEDDINGS)],
    ids=["chat", "responses", "embeddings"],
)
async def test_a_call_that_is_not_streamed_just_waits(
    gateway: Gateway, upstream: UpstreamFeedback, path: str, body: dict[str, Any]
) -> None:
    await upstream.refuse_for(0.5, f"openai/default/{body['model']}")
    answer = await gateway.call(path, body)
    assert answer.status == 200
    assert int(answer.headers["x-tidegate-queue-ms"]) >= 400


async def test_the_official_client_reads_streams_that_began_with_a_wait(
    world: World, upstream: UpstreamFeedback
) -> None:
    async with world.gateway(**RESTLESS) as gateway, gateway.sdk() as client:
        await upstream.refuse_for(0.5)
        said = await gateway.chat(STREAM)
        assert said.text.startswith(": ping\n")
        await upstream.refuse_for(0.5)
        question: Any = ask("and low tide?")
        chunks = [chunk async for chunk in await client.chat.completions.create(**question, stream=True)]
        assert any(chunk.choices and chunk.choices[0].delta.content for chunk in chunks)
        await upstream.refuse_for(0.5)
        asked: Any = {**RESPONSES, "input": "and low tide?"}
        events = [event.type async for event in await client.responses.create(**asked, stream=True)]
        assert (events[0], events[-1]) == ("response.created", "response.completed")


async def test_who_would_wait_too_long_hears_how_long_at_once(gateway: Gateway, upstream: UpstreamFeedback) -> None:
    await upstream.refuse_for(30.0)
    async with gateway.sdk(default_headers={"x-tidegate-deadline": "2"}) as client:
        question: Any = CHAT
        with pytest.raises(openai.RateLimitError) as refused:
            await client.chat.completions.create(**question)
    headers = refused.value.response.headers
    assert headers["x-tidegate-error"] == "queue_timeout"
    assert 25 <= int(headers["retry-after"]) <= 31
    assert "its limit, not yours" in refused.value.message


@pytest.mark.parametrize("stated", ["soon", "", "-1", "nan", "inf", "-inf", "1e400", "99999999", "1 s"])
async def test_a_deadline_that_is_none_is_refused(gateway: Gateway, stated: str) -> None:
    answer = await gateway.chat(CHAT, x_tidegate_deadline=stated)
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert "x-tidegate-deadline" in answer.error["message"]


@pytest.mark.parametrize("stated", ["0", "0.5", "1e1", " 7 "])
async def test_any_number_of_seconds_is_a_deadline(gateway: Gateway, stated: str) -> None:
    assert (await gateway.chat(CHAT, x_tidegate_deadline=stated)).status == 200


async def test_who_hangs_up_in_the_queue_leaves_it_and_pays_nothing(
    world: World, gateway: Gateway, upstream: UpstreamFeedback
) -> None:
    await upstream.refuse_for(60.0)
    calls = [asyncio.create_task(gateway.chat(ask(f"{number}"))) for number in range(10)]

    async def waiting(count: int) -> bool:
        return await upstream.waiting() == count

    await wait_until_async(lambda: waiting(10))
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await wait_until_async(lambda: waiting(0))
    assert await world.calls() == 0


async def test_the_places_of_a_replica_that_was_killed_go_to_the_others(
    world: World, gateway: Gateway, upstream: UpstreamFeedback
) -> None:
    async with world.process() as doomed:
        await upstream.refuse_for(10.0)
        lost = [asyncio.create_task(doomed.chat(ask(f"{number}"))) for number in range(50)]

        async def all_wait() -> bool:
            return await upstream.waiting() == len(lost)

        await wait_until_async(all_wait)
        doomed.kill()
        outcomes = await asyncio.gather(*lost, return_exceptions=True)
        assert all(isinstance(outcome, Exception) for outcome in outcomes)
    async with asyncio.timeout(60):
        assert (await gateway.chat()).status == 200
    assert await world.calls() == 1
    assert await upstream.waiting() == 0


async def test_a_refusal_among_successes_delays_no_neighbour(gateway: Gateway) -> None:
    questions = [ask(f"question {number}") for number in range(31)]
    for question in questions[:30]:
        assert (await gateway.chat(question)).status == 200
    refused = await gateway.chat(
        ask("refused"), x_simulate_fault="slow_down", x_tidegate_deadline="0", x_tidegate_fallback="off"
    )
    assert refused.status == 429
    neighbour = await gateway.chat(questions[30])
    assert (neighbour.status, neighbour.headers.get("x-tidegate-queue-ms")) == (200, None)


async def test_an_operator_ends_a_wait_of_an_hour(gateway: Gateway, world: World, upstream: UpstreamFeedback) -> None:
    await upstream.refuse_for(3600.0)
    assert (await gateway.chat()).headers["x-tidegate-error"] == "queue_timeout"
    admin = (await world.keys.create(project="operators", admin=True)).token
    url = f"{gateway.root}/admin/v1/upstream/credentials/openai/default/resume"
    async with world.http.post(url, headers={"authorization": f"Bearer {admin}"}) as response:
        assert response.status == 200
    assert (await gateway.chat()).status == 200
