"""A batch answers its lines with the simulator's own inference, at half the price."""

from typing import Any

import msgspec
import pytest

from tests.simulator.client import CHAT, SimulatorClient, upstream
from tests.simulator.resources.asking import Refused, ask, expect_refusal, new_file
from tidegate.core.clock import ManualClock

_CHATS = "/v1/chat/completions"


def _lines(url: str, *bodies: dict[str, Any]) -> bytes:
    lines = [{"custom_id": f"n{at}", "method": "POST", "url": url, "body": body} for at, body in enumerate(bodies)]
    return b"\n".join(msgspec.json.encode(line) for line in lines)


async def _begin(up: SimulatorClient, content: bytes, endpoint: str = _CHATS, **headers: str) -> dict[str, Any]:
    file_id = await new_file(up, content, name="l.jsonl", purpose="batch")
    body = {"input_file_id": file_id, "endpoint": endpoint, "completion_window": "24h"}
    _, made = await ask(up, "POST", "/batches", body, **headers)
    return made


async def _end(up: SimulatorClient, content: bytes, endpoint: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a batch that has ended, and the lines of its output."""
    made = await _begin(up, content, endpoint)
    _, done = await ask(up, "GET", f"/batches/{made['id']}")
    async with up.session.get(f"{up.base_url}/files/{done['output_file_id']}/content") as answer:
        return done, [msgspec.json.decode(line) for line in (await answer.read()).splitlines()]


@pytest.mark.parametrize(
    ("endpoint", "body", "expected"),
    [
        (_CHATS, CHAT, "chat.completion"),
        ("/v1/responses", {"model": "gpt-4o", "input": "hi"}, "response"),
        ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "hi"}, "list"),
        ("/v1/completions", {"model": "davinci-002", "prompt": "hi"}, "text_completion"),
    ],
)
async def test_lines_get_the_answers_that_a_request_gets(endpoint: str, body: dict[str, Any], expected: str) -> None:
    async with upstream() as up:
        done, lines = await _end(up, _lines(endpoint, body), endpoint)
        _, whole = await ask(up, "POST", endpoint.removeprefix("/v1"), body)
        stats = await up.stats()
    assert (done["status"], lines[0]["response"]["body"]["object"]) == ("completed", expected)
    assert lines[0]["response"]["body"]["usage"] == whole["usage"]
    single, line = (
        next(call["cost_nanos"] for call in stats["requests"] if call["route"] == route)
        for route in ({_CHATS: "chat"}.get(endpoint, endpoint.removeprefix("/v1/")), "batches.line")
    )
    assert line == (single + 1) // 2 > 0


async def test_a_refused_line_is_in_the_error_file_and_costs_nothing() -> None:
    async with upstream() as up:
        made = await _begin(up, _lines(_CHATS, {"model": "gpt-4o"}))
        _, done = await ask(up, "GET", f"/batches/{made['id']}")
        assert (done["output_file_id"], done["request_counts"]["failed"]) == (None, 1)
        async with up.session.get(f"{up.base_url}/files/{done['error_file_id']}/content") as answer:
            line = msgspec.json.decode(await answer.read())
        assert "Missing required parameter: 'messages'" in line["response"]["body"]["error"]["message"]
        assert (await up.stats())["cost_nanos"] == 0


async def test_a_batch_is_charged_though_it_is_never_read() -> None:
    clock = ManualClock()
    async with upstream(clock) as up:
        await _begin(up, _lines(_CHATS, CHAT), x_simulate_job_seconds="60")
        assert "batches.line" not in (await up.stats())["calls"]
        clock.advance(60)
        assert (await up.stats())["calls"]["batches.line"] == 1


async def test_a_cancelled_batch_ends_and_cannot_be_cancelled_again() -> None:
    clock = ManualClock()
    async with upstream(clock) as up:
        made = await _begin(up, _lines(_CHATS, *[CHAT] * 10), x_simulate_job_seconds="100")
        clock.advance(50)
        _, cancelled = await ask(up, "POST", f"/batches/{made['id']}/cancel")
        assert cancelled["status"] == "cancelling"
        _, ended = await ask(up, "GET", f"/batches/{made['id']}")
        assert (ended["status"], ended["request_counts"]["completed"]) == ("cancelled", 5)
        message = "Cannot cancel a batch with status 'cancelled'."
        await expect_refusal(up, ("POST", f"/batches/{made['id']}/cancel", None, 409, message))


@pytest.mark.parametrize(
    "refused",
    [
        ("POST", "/batches", {}, 400, "Missing required parameter: 'input_file_id'"),
        ("GET", "/batches/batch_x", None, 404, "No batch found with id 'batch_x'."),
        ("POST", "/batches/batch_x/cancel", None, 404, "No batch found with id 'batch_x'."),
    ],
)
async def test_what_openai_refuses_is_refused(refused: Refused) -> None:
    async with upstream() as up:
        await expect_refusal(up, refused)


@pytest.mark.parametrize(
    ("more", "status", "message"),
    [
        ({"endpoint": "/v1/files"}, 400, "Invalid value: '/v1/files'."),
        ({"completion_window": "1h"}, 400, "Invalid value: '1h'."),
        ({"input_file_id": "file-x"}, 404, "No such File object: file-x"),
        ({}, 400, "Invalid file purpose 'user_data' for Batch API."),
    ],
)
async def test_a_batch_that_openai_does_not_take_is_refused(more: dict[str, str], status: int, message: str) -> None:
    async with upstream() as up:
        body = {"input_file_id": await new_file(up), "endpoint": _CHATS, "completion_window": "24h", **more}
        await expect_refusal(up, ("POST", "/batches", body, status, message))
