"""Answers come at the requested pace, and stop at once when the client leaves."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from tests.simulator.client import CHAT, RESPONSES, STREAM, SimulatorClient, upstream


async def timed(up: SimulatorClient, body: dict[str, Any], **headers: str) -> list[float]:
    """Return the seconds until the headers, then until each part of the body."""
    clock = asyncio.get_running_loop().time
    started_at = clock()
    async with up.post("/chat/completions", body, **headers) as answer:
        return [clock() - started_at, *[clock() - started_at async for _ in answer.content.iter_any()]]


async def test_latency_comes_before_everything_and_the_first_token_later_still() -> None:
    async with upstream(latency=0.1) as up:
        headers, first, *_ = await timed(up, STREAM, x_simulate_ttft="0.1")
    assert 0.1 <= headers < first - 0.09


async def test_tokens_come_one_by_one() -> None:
    async with upstream(tps=50) as up:
        _, *parts = await timed(up, STREAM, x_simulate_tokens="10")
    gaps = [later - earlier for earlier, later in pairwise(parts)]
    assert sum(gap > 0.015 for gap in gaps) > 5, "one that comes late is followed by one that comes early"
    assert 0.19 < parts[-1] - parts[0] < 0.6


async def test_a_whole_answer_waits_for_all_its_tokens() -> None:
    async with upstream() as up:
        headers, *_ = await timed(up, CHAT, x_simulate_tokens="10", x_simulate_tps="50")
    assert headers >= 0.2


async def test_a_wait_that_is_no_number_is_refused() -> None:
    async with upstream() as up, up.post("/chat/completions", CHAT, x_simulate_ttft="soon") as answer:
        assert answer.status == 400


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        pytest.param("/chat/completions", CHAT, {"x_simulate_latency": "30"}, id="before the answer"),
        pytest.param("/chat/completions", STREAM, {"x_simulate_ttft": "30"}, id="before the first token"),
        pytest.param("/responses", {**RESPONSES, "stream": True}, {"x_simulate_tps": "5"}, id="between tokens"),
    ],
)
async def test_a_client_that_leaves_is_noticed_at_once(
    path: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    async with upstream() as up:
        asking = asyncio.create_task(_read(up, path, body, headers))
        while not (await up.stats())["in_flight"]:
            pass
        asking.cancel()
        await asyncio.wait([asking])
        clock = asyncio.get_running_loop().time
        remaining = clock()
        while not (await up.stats())["cancelled"]:
            assert clock() - remaining < 1
        assert clock() - remaining < 0.05
        assert (await up.stats())["in_flight"] == 0


async def _read(up: SimulatorClient, path: str, body: dict[str, Any], headers: dict[str, str]) -> bytes:
    async with up.post(path, body, **headers) as answer:
        data: bytes = await answer.read()
        return data


async def test_a_chat_ends_with_done_and_a_response_with_its_last_event() -> None:
    async with upstream() as up:
        chat = await _read(up, "/chat/completions", STREAM, {})
        response = await _read(up, "/responses", {**RESPONSES, "stream": True}, {})
    assert chat.endswith(b"\n\ndata: [DONE]\n\n")
    assert response.rpartition(b"event: ")[2].startswith(b"response.completed\n")


@pytest.mark.parametrize(
    ("body", "stop", "tokens"),
    [(STREAM, "0", range(12)), (STREAM, "0.5", range(20, 40)), (CHAT, "0", range(11)), (CHAT, "0.5", range(20, 40))],
)
async def test_it_writes_on_and_charges_after_its_client_left(body: dict[str, Any], stop: str, tokens: range) -> None:
    headers = {"x_simulate_tps": "40", "x_simulate_tokens": "100", "x_simulate_stop_seconds": stop}
    async with upstream() as up:
        asking = asyncio.create_task(_read(up, "/chat/completions", {**body, "max_tokens": 100}, headers))
        while not (await up.stats())["in_flight"]:
            pass
        asking.cancel()
        await asyncio.wait([asking])
        while not (stats := await up.stats())["cancelled"]:
            pass
        assert stats["tokens"]["output"] in tokens
