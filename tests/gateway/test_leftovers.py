"""Nothing of a call outlives it: with the collector off, all its objects are gone when it has ended."""

import asyncio
import contextlib
import gc
import warnings
from collections.abc import Iterator

import aiohttp
import pytest

from tests.eventually import wait_until, wait_until_async
from tests.gateway.test_call_memory import released
from tests.gateway.test_metrics import OPEN
from tests.harness import CHAT, RESPONSES, Gateway, Json, World
from tidegate.coalescing.flight import Flight
from tidegate.core.process.call_memory import MemoryHold
from tidegate.pipeline.context import InferenceRequest, RequestContext
from tidegate.pipeline.delivery import ClientResponse
from tidegate.providers.exchange import HttpExchange
from tidegate.routing.attempt import Attempt
from tidegate.routing.upstream_call import UpstreamCall
from tidegate.simulator.faults import Fault
from tidegate.web.exchange import ClientExchange
from tidegate.web.inference.reply import HttpResponseWriter

PARTS = (
    InferenceRequest,
    RequestContext,
    ClientExchange,
    HttpResponseWriter,
    MemoryHold,
    ClientResponse,
    Flight,
    UpstreamCall,
    Attempt,
    HttpExchange,
)
"""What a call consists of; each of them leads to its body."""
CLOCKS = {"first_byte_seconds": 0.3, "idle_seconds": 0.3}
FORMS: list[tuple[str, Json]] = [("/chat/completions", CHAT), ("/responses", RESPONSES)]


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    with warnings.catch_warnings():  # sockets that a fault has reset are left to the collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    gc.enable()


def left_parts() -> list[str]:
    """Return the kinds of the objects of calls that are alive."""
    return sorted(type(thing).__name__ for thing in gc.get_objects() if isinstance(thing, PARTS))


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", ["", *(fault.value for fault in Fault)])
async def test_of_a_call_that_was_sent(world: World, fault: str, streamed: bool) -> None:
    headers = {"x_simulate_fault": fault} if fault else {}
    async with world.gateway(upstream=CLOCKS, **OPEN) as gateway:
        for path, body in FORMS:
            with contextlib.suppress(aiohttp.ClientError):
                await gateway.call(path, {**body, "stream": streamed}, x_tidegate_deadline="0", **headers)
        await nothing_left()
        await released(gateway)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("fault", ["server_error", "truncated"])
async def test_of_a_call_that_was_sent_again(world: World, fault: str) -> None:
    async with world.gateway(**OPEN) as gateway:
        for path, body in FORMS:
            await gateway.call(path, body, x_simulate_fault=fault)
        assert await world.calls() > 1
        await nothing_left()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{", {}),
        ({**CHAT, "model": "no\nmodel"}, {}),
        (CHAT, {"authorization": "Bearer sk-tg-wrong"}),
        (CHAT, {"cache_control": "only-if-cached"}),
    ],
)
async def test_of_a_call_that_was_refused(world: World, body: Json | bytes, headers: dict[str, str]) -> None:
    async with world.gateway() as gateway:
        assert (await gateway.chat(body, **headers)).status >= 400
        await wait_until(lambda: not left_parts())


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", ["", "server_error", "truncated"])
async def test_of_calls_that_shared_a_flight(world: World, fault: str, streamed: bool) -> None:
    headers = {"x_simulate_latency": "0.3", **({"x_simulate_fault": fault} if fault else {})}
    async with world.gateway(**OPEN) as one, world.gateway(**OPEN) as other:
        for path, body in FORMS:
            call = {**body, "stream": streamed}
            calls = [gateway.call(path, call, **headers) for gateway in (one, one, one, other, other)]
            await asyncio.gather(*calls, return_exceptions=True)
        await nothing_left()
        for gateway in (one, other):
            await released(gateway)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("leaving", [slice(0, 3), slice(0, 1), slice(1, 3)], ids=["all", "the first", "the others"])
async def test_of_calls_whose_clients_left(gateway: Gateway, world: World, streamed: bool, leaving: slice) -> None:
    for path, body in FORMS:
        call = {**body, "stream": streamed}
        headers = {"x_simulate_latency": "0.5", "x_simulate_tps": "100"}
        tasks = [asyncio.create_task(gateway.call(path, call, **headers)) for _ in range(3)]
        await world.wait_for_stats(in_flight=1)
        for task in tasks[leaving]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await nothing_left()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("fault", ["", "server_error", "truncated"])
async def test_of_a_background_response(gateway: Gateway, fault: str) -> None:
    headers = {"x_simulate_fault": fault} if fault else {}
    body = {**RESPONSES, "store": True, "background": True}
    created = (await gateway.call("/responses", body, **headers)).json

    async def has_ended() -> bool:
        answer = await gateway.call(f"/responses/{created['id']}")
        return answer.json["status"] not in ("queued", "in_progress")

    await wait_until_async(has_ended)
    await nothing_left()


async def nothing_left() -> None:
    with contextlib.suppress(AssertionError):
        await wait_until(lambda: not left_parts(), 5.0)
    assert left_parts() == []
