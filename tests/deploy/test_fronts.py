"""Through each front door a slow answer arrives streamed, or is refused as that door's documentation says.

All times, those of the answers and of the doors, are divided by 15, and by 4 on a machine too busy for that.
`make fronts` plays more of it, in real time.
"""

import asyncio
import contextlib
import io
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from deploy.simulated_front.doors import DOORS, FrontDoor
from deploy.simulated_front.proxy import serving
from tests.deploy.fronts_page import Passage, page
from tests.harness import Gateway, World, ask

IS_REAL_TIME = bool(os.environ.get("REAL_TIME"))
SCALES = (1.0,) if IS_REAL_TIME else (1 / 15, 1 / 4)
"""What all times are multiplied by. The next one is tried where a busy machine could not keep up."""
LONGEST_SECONDS = 310
APART_SECONDS = 0.02
"""Between the beginnings of two calls, so that none waits long for its connection."""
PAGE = Path(__file__).parents[2] / "docs" / "generated" / "fronts.md"
PLAYED_WHOLLY = {"deploy/aws", "aws-load-balancer", "azure-container-apps"}
"""Those that get every call in the suite. The others get the first one there, for the machine's sake."""
BY_NAME = {door.name: door for door in DOORS}
TOKENS = 20


class SlowCall(msgspec.Struct, frozen=True):
    """A call whose answer is silent at first. Seconds are real ones."""

    title: str
    silent_seconds: float
    text_seconds: float
    is_streamed: bool = True
    has_heartbeats: bool = True


CALLS = (
    SlowCall("90 s, streamed", 70, 20),
    SlowCall("90 s, not streamed", 70, 20, is_streamed=False),
    SlowCall("silent for 310 s, streamed", LONGEST_SECONDS, 40),
    SlowCall("silent for 310 s, without heartbeats", LONGEST_SECONDS, 40, has_heartbeats=False),
)

STREAM, ONCE = "streamed", "at once"
EXPECTED = {
    "deploy/aws":                    [STREAM, ONCE, STREAM, "504"],
    "aws-rest-stream":               [STREAM, ONCE, STREAM, "504"],
    "aws-rest-buffered":             ["504", "504", "504", "504"],
    "aws-http-api":                  ["503", "503", "503", "503"],
    "aws-load-balancer":             [STREAM, "504", STREAM, "504"],
    "aws-load-balancer-raised":      [STREAM, ONCE, STREAM, STREAM],
    "aws-app-runner":                [STREAM, ONCE, "cut", "504"],
    "google-cloud-run":              [STREAM, ONCE, "cut", "504"],
    "google-api-gateway":            ["504", "504", "504", "504"],
    "azure-container-apps":          [STREAM, ONCE, STREAM, "504"],
    "azure-api-management":          [STREAM, ONCE, STREAM, "504"],
    "azure-api-management-buffered": [ONCE, ONCE, "504", "504"],
}  # fmt: skip


def expected_outcomes() -> dict[tuple[str, SlowCall], str]:
    """Return the outcome of each call that is played through each front door."""
    rows = EXPECTED.items()
    whole = {(name, call): outcome for name, row in rows for call, outcome in zip(CALLS, row, strict=True)}
    return {
        (name, call): outcome
        for (name, call), outcome in whole.items()
        if IS_REAL_TIME or call is CALLS[0] or name in PLAYED_WHOLLY
    }


@contextlib.asynccontextmanager
async def gateway_with(world: World, *, ping_seconds: float) -> AsyncIterator[Gateway]:
    """Run a gateway that waits for slow answers and whose calls do not wait for one another."""
    patient = dict.fromkeys(("first_byte_seconds", "idle_seconds", "total_seconds"), 600)
    upstream = {**patient, "rpm": 1_000_000, "tpm": 1_000_000_000}
    async with world.gateway(upstream=upstream, server={"ping_seconds": ping_seconds}) as gateway:
        yield gateway


@contextlib.asynccontextmanager
async def fronts_of(gateway: Gateway, scale: float = 1.0) -> AsyncIterator[dict[str, str]]:
    """Put each front door before a gateway; yield their addresses. `deploy/aws` is two of them in a row."""
    async with contextlib.AsyncExitStack() as stack:

        async def put(door: FrontDoor, target: str) -> str:
            return await stack.enter_async_context(serving(door.scaled(scale), target))

        addresses = {door.name: await put(door, gateway.root) for door in DOORS}
        behind = addresses["aws-load-balancer-raised"]
        yield {"deploy/aws": await put(BY_NAME["aws-rest-stream"], behind), **addresses}


async def play(http: aiohttp.ClientSession, url: str, key: str, call: SlowCall, *, scale: float) -> Passage:
    """Send one call and watch its answer."""
    loop = asyncio.get_running_loop()
    headers = {
        "authorization": f"Bearer {key}",
        "x-simulate-latency": str(call.silent_seconds * scale),
        "x-simulate-tokens": str(TOKENS),
        "x-simulate-tps": str(TOKENS / (call.text_seconds * scale)),
    }
    body = ask(f"{call.title}, through {url}", stream=call.is_streamed)
    begun = loop.time()
    first, text, is_complete = 0.0, b"", False
    unlimited = aiohttp.ClientTimeout(total=None)
    async with http.post(url, json=body, headers=headers, timeout=unlimited) as answer:
        with contextlib.suppress(aiohttp.ClientError):
            async for chunk in answer.content.iter_any():
                first = first or loop.time() - begun
                text += chunk
            is_complete = text.endswith(b"data: [DONE]\n\n") if call.is_streamed else b'"usage"' in text
        return Passage(answer.status, is_complete, first, loop.time() - begun)


async def passages_at(world: World, scale: float) -> dict[tuple[str, SlowCall], Passage]:
    """Send the calls through the front doors, with all times multiplied by `scale`; return what came through."""
    async with (
        asyncio.timeout((LONGEST_SECONDS + 40) * scale + 120),
        gateway_with(world, ping_seconds=15 * scale) as lively,
        gateway_with(world, ping_seconds=3600) as silent,
        fronts_of(lively, scale) as with_heartbeats,
        fronts_of(silent, scale) as without,
        asyncio.TaskGroup() as group,
    ):
        playing = {}
        for name, call in expected_outcomes():
            front = (with_heartbeats if call.has_heartbeats else without)[name]
            one = play(world.http, f"{front}/v1/chat/completions", lively.key, call, scale=scale)
            playing[name, call] = group.create_task(one)
            await asyncio.sleep(APART_SECONDS)
    return {case: task.result() for case, task in playing.items()}


@pytest.mark.slow
async def test_what_survives_each_front_door(world: World) -> None:
    for scale in SCALES:
        passages = await passages_at(world, scale)
        outcomes = {case: passage.outcome for case, passage in passages.items()}
        if outcomes == expected_outcomes():
            break
    assert outcomes == expected_outcomes()
    for (name, call), passage in passages.items():
        door = BY_NAME.get(name, BY_NAME["aws-rest-stream"])
        earliest = min(limit for limit in (door.total_seconds, door.idle_seconds) if limit is not None)
        assert passage.outcome in {STREAM, ONCE} or passage.seconds >= earliest * scale, (name, call)
    if IS_REAL_TIME:
        seen = {name: [passages[name, call] for call in CALLS] for name in EXPECTED}
        PAGE.write_text(page([call.title for call in CALLS], seen))


@pytest.mark.parametrize("name", [door.name for door in DOORS if door.request_bytes == 10 * 1024 * 1024])
async def test_a_request_of_11_mb_does_not_reach_the_gateway(world: World, name: str) -> None:
    async with world.gateway() as gateway, serving(BY_NAME[name], gateway.root) as front:
        body = msgspec.json.encode(ask("x" * 11 * 1024 * 1024))
        async with world.http.post(f"{front}/v1/chat/completions", data=io.BytesIO(body)) as answer:
            assert (answer.status, "x-request-id" in answer.headers) == (413, False)
        assert await world.calls() == 0


async def test_an_error_of_the_gateway_passes_as_it_is(world: World) -> None:
    async with world.gateway() as gateway, fronts_of(gateway) as fronts:
        for name, address in fronts.items():
            async with world.http.post(f"{address}/v1/chat/completions", json={}) as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (401, "missing_api_key"), name
