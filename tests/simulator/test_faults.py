"""Each fault is seen by the official SDK and by a plain HTTP client as the taxonomy describes it."""

import asyncio
import json
from random import Random
from typing import Any

import aiohttp
import openai
import pytest

from tests.eventually import wait_until, wait_until_async
from tests.simulator.client import CHAT, RESPONSES, STREAM, upstream
from tidegate.simulator.faults import Fault, draw

PATHS = {"/chat/completions": CHAT, "/responses": RESPONSES}


@pytest.mark.parametrize(
    ("fault", "status", "kind", "code", "said"),
    [
        ("invalid_key", 401, "invalid_request_error", "invalid_api_key", "Incorrect API key"),
        ("organization_mismatch", 401, "invalid_request_error", "mismatched_organization", "organization"),
        ("forbidden", 403, "request_forbidden", "unsupported_country_region_territory", "not supported"),
        ("model_not_found", 404, "invalid_request_error", "model_not_found", "`gpt-4o` does not exist"),
        ("context_length", 400, "invalid_request_error", "context_length_exceeded", "context"),
        ("content_policy", 400, "invalid_request_error", "content_policy_violation", "safety"),
        ("rate_limited", 429, "requests", "rate_limit_exceeded", "(RPM)"),
        ("rate_limited_tokens", 429, "tokens", "rate_limit_exceeded", "(TPM): Limit 30000, Used 29937, Requested 385"),
        ("rate_limited_day", 429, "requests", "rate_limit_exceeded", "try again in 7m12s"),
        ("rate_limited_bare", 429, "requests", "rate_limit_exceeded", "try again in 20s"),
        ("request_too_large", 429, "tokens", "rate_limit_exceeded", "Request too large"),
        ("out_of_quota", 429, "insufficient_quota", "insufficient_quota", "exceeded your current quota"),
        ("slow_down", 429, "rate_limit_error", "slow_down", "slow down"),
        ("overloaded", 503, "service_unavailable_error", "server_is_overloaded", "overloaded"),
        ("server_error", 500, "server_error", None, "The server had an error"),
        ("integer_code", 502, "cf_bad_gateway", 502, "Bad gateway"),
    ],
)
@pytest.mark.parametrize("path", PATHS)
async def test_a_refusal_says_what_openai_says(
    path: str, fault: str, status: int, kind: str, code: str | int | None, said: str
) -> None:
    async with upstream() as up, up.post(path, PATHS[path], x_simulate_fault=fault) as answer:
        error = (await answer.json())["error"]
    assert (answer.status, error["type"], error["code"]) == (status, kind, code)
    assert said in error["message"]


@pytest.mark.parametrize(
    ("fault", "retry_after"),
    [("rate_limited", "1"), ("rate_limited_day", "432"), ("rate_limited_bare", None), ("request_too_large", None)],
)
async def test_a_rate_limit_may_say_how_long_to_wait(fault: str, retry_after: str | None) -> None:
    async with upstream() as up, up.post("/chat/completions", CHAT, x_simulate_fault=fault) as answer:
        assert answer.headers.get("retry-after") == retry_after
        if fault == "rate_limited_bare":
            assert not [name for name in answer.headers if name.lower().startswith("x-ratelimit")]


async def test_a_proxy_answers_with_a_page() -> None:
    async with upstream() as up, up.post("/responses", RESPONSES, x_simulate_fault="html_from_proxy") as answer:
        assert (answer.status, answer.content_type) == (502, "text/html")
        assert "<html>" in await answer.text()


async def test_a_connection_is_reset_before_any_header() -> None:
    async with upstream() as up:
        with pytest.raises((ConnectionResetError, aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
            await up.post("/chat/completions", CHAT, x_simulate_fault="connection")
        assert (await up.stats())["broken"] == 1


async def test_a_truncated_answer_ends_in_a_reset_after_its_first_half() -> None:
    async with upstream() as up, up.post("/chat/completions", STREAM, x_simulate_fault="truncated") as answer:
        parts: list[bytes] = []
        with pytest.raises((ConnectionResetError, aiohttp.ClientError)):
            await _read_into(parts, answer)
    received = b"".join(parts)
    assert received.count(b"data: ") > 3
    assert b"[DONE]" not in received


async def _read_into(parts: list[bytes], answer: aiohttp.ClientResponse) -> None:
    async for part in answer.content.iter_any():
        parts.append(part)  # noqa: PERF401  # what came before an exception must be kept


async def test_a_truncated_body_is_shorter_than_it_says() -> None:
    async with upstream() as up, up.post("/chat/completions", CHAT, x_simulate_fault="truncated") as answer:
        with pytest.raises((ConnectionResetError, aiohttp.ClientError)):
            await answer.read()


@pytest.mark.parametrize("body", [CHAT, STREAM])
async def test_a_cleanly_truncated_answer_looks_whole_to_http(body: dict[str, Any]) -> None:
    async with upstream() as up, up.post("/chat/completions", body, x_simulate_fault="truncated_clean") as answer:
        received = await answer.read()
    assert received
    assert b"[DONE]" not in received
    with pytest.raises(ValueError, match=r".*"):
        json.loads(received)


async def test_a_stall_is_silence_until_the_client_leaves() -> None:
    async with upstream() as up:
        async with up.post("/chat/completions", STREAM, x_simulate_fault="stall") as answer:
            parts: list[bytes] = []
            reading = asyncio.create_task(_read_into(parts, answer))
            await wait_until(lambda: bool(parts))
            done, _ = await asyncio.wait({reading}, timeout=0.1)
            assert not done
            reading.cancel()
            assert b"".join(parts).startswith(b"data: ")
        await _counted(up, cancelled=1)


async def test_a_timeout_is_silence_from_the_start() -> None:
    async with upstream() as up:
        asking = asyncio.ensure_future(up.post("/chat/completions", CHAT, x_simulate_fault="timeout"))
        await _counted(up, in_flight=1)
        done, _ = await asyncio.wait({asking}, timeout=0.1)
        assert not done
        asking.cancel()
        await _counted(up, cancelled=1)


async def _counted(up: Any, **expected: int) -> None:
    async def seen() -> bool:
        stats = await up.stats()
        return all(stats[name] == count for name, count in expected.items())

    await wait_until_async(seen)


@pytest.mark.parametrize("fault", ["error_in_stream", "preflight_failure_in_stream"])
async def test_a_stream_reports_an_error_after_http_200(fault: str) -> None:
    async with upstream() as up, up.sdk(default_headers={"x-simulate-fault": fault}) as client:
        for ask, body in ((client.chat.completions.create, CHAT), (client.responses.create, RESPONSES)):
            stream: Any = await ask(**body, stream=True)
            assert await anext(stream)
            with pytest.raises(openai.APIError) as no:
                [_ async for _ in stream]
            expected = "context_length_exceeded" if fault.startswith("preflight") else None
            assert (no.value.code or None) == expected


async def test_a_responses_error_names_its_event_and_its_number() -> None:
    body = {**RESPONSES, "stream": True}
    async with upstream() as up, up.post("/responses", body, x_simulate_fault="preflight_failure_in_stream") as answer:
        *_, before, last, _end = (await answer.text()).split("\n\n")
    assert before.startswith("event: response.created\n")
    name, _, data = last.partition("\n")
    error = json.loads(data.removeprefix("data: "))
    assert name == "event: error"
    assert error["sequence_number"] == 1
    assert error["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("fault", "status"), [("error_in_stream", 500), ("preflight_failure_in_stream", 400)]
)  # fmt: skip
async def test_without_a_stream_such_an_error_is_an_ordinary_one(fault: str, status: int) -> None:
    async with upstream() as up, up.post("/chat/completions", CHAT, x_simulate_fault=fault) as answer:
        assert answer.status == status


@pytest.mark.parametrize("fault", ["refused_in_answer", "refused_mid_answer"])
async def test_a_prompt_is_refused_inside_a_200_with_the_code_that_is_asked_for(fault: str) -> None:
    names = {"x_simulate_fault": fault, "x_simulate_error_code": "bio_policy"}
    async with upstream() as up:
        async with up.post("/chat/completions", CHAT, **names) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (200, "bio_policy")
        async with up.post("/responses", RESPONSES, **names) as answer:
            failed = await answer.json()
        assert (failed["status"], failed["error"]["code"], failed["output"]) == ("failed", "bio_policy", [])
        async with up.post("/responses", {**RESPONSES, "stream": True}, **names) as answer:
            text = await answer.text()
    assert "event: response.failed" in text
    assert ("response.output_text.delta" in text) is (fault == "refused_mid_answer")


@pytest.mark.parametrize("body", [CHAT, STREAM])
async def test_a_malformed_answer_is_not_json(body: dict[str, Any]) -> None:
    async with upstream() as up, up.post("/chat/completions", body, x_simulate_fault="malformed") as answer:
        text = await answer.text()
    pieces = [line.removeprefix("data: ") for line in text.splitlines() if line and "[DONE]" not in line]
    assert sum(not _is_json(piece) for piece in pieces) == 1


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("body", [CHAT, STREAM])
async def test_usage_may_be_missing(body: dict[str, Any]) -> None:
    async with upstream() as up, up.post("/chat/completions", body, x_simulate_fault="missing_usage") as answer:
        text = await answer.text()
    assert "prompt_tokens" not in text
    assert "finish_reason" in text


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in ("timeout", "stall")])
async def test_every_fault_is_counted_by_its_name(fault: str) -> None:
    async with upstream() as up:
        try:
            async with up.post("/chat/completions", CHAT, x_simulate_fault=fault) as answer:
                await answer.read()
        except (aiohttp.ClientError, ConnectionResetError):
            pass
        assert (await up.stats())["faults"] == {fault: 1}


def test_chance_decides_for_each_fault_in_turn() -> None:
    random = Random(1)  # noqa: S311  # repeatable on purpose
    drawn = [draw({Fault.TIMEOUT: 0.0, Fault.STALL: 0.2, Fault.TRUNCATED: 0.5}, random) for _ in range(2000)]
    assert Fault.TIMEOUT not in drawn
    assert 0.16 < drawn.count(Fault.STALL) / 2000 < 0.24
    assert 0.35 < drawn.count(Fault.TRUNCATED) / 2000 < 0.45
