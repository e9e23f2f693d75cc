"""Each call makes exactly one report when it ends, in whichever way it ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.gateway.sockets import raw, send_request
from tests.harness import CHAT, RESPONSES, STREAM, UPSTREAM_KEY, Gateway, World, ask
from tests.observed_calls import KeptReports
from tidegate.core.call_report import CallReport
from tidegate.core.clock import ManualClock

SLOW_STREAM = {"x_simulate_tps": "20", "x_simulate_tokens": "400"}


@pytest.fixture
def reports() -> KeptReports:
    return KeptReports()


@pytest.fixture
async def observed(world: World, reports: KeptReports) -> AsyncIterator[Gateway]:
    async with world.gateway(observers=[reports]) as gateway:
        yield gateway


@pytest.mark.parametrize("body", [CHAT, STREAM], ids=["whole", "stream"])
async def test_an_answered_call_says_where_its_time_went(
    world: World, observed: Gateway, reports: KeptReports, body: Any
) -> None:
    answer = await observed.chat(body, x_simulate_latency="0.2", x_tidegate_tags="team=blue")
    report = await reports.after(1)
    assert (report.call_class, report.status, report.in_ledger) == ("answered", 200, True)
    assert report.entry.id == answer.headers["x-request-id"]
    assert (report.entry.project, report.entry.model, report.entry.provider) == ("shop", "gpt-4o-mini", "openai")
    assert (report.key_last_four, report.credential, report.error_text) == (observed.key[-4:], "default", None)
    assert report.entry.cost_nanos > 0
    assert report.entry.tags == {"team": "blue"}
    assert report.upstream_ms >= 200
    assert report.total_ms == report.queue_ms + report.upstream_ms + report.gateway_ms
    assert (report.first_content_ms is not None) is (body is STREAM)
    [row] = await world.ledger_entries(1)
    assert row["cost_nanos"] == report.entry.cost_nanos


async def test_a_hit_and_a_joined_call_cost_nothing(observed: Gateway, reports: KeptReports) -> None:
    first, second = await asyncio.gather(*(observed.chat(STREAM, x_simulate_latency="0.3") for _ in range(2)))
    await reports.after(2)
    third = await observed.chat(STREAM, x_simulate_latency="0.3")
    hit = await reports.after(3)
    by_cache = {report.entry.cache: report for report in reports.all}
    assert set(by_cache) == {"miss", "joined", "hit"}, (first.headers, second.headers, third.headers)
    assert by_cache["joined"].upstream_ms >= 200
    assert (by_cache["joined"].entry.cost_nanos, hit.entry.cost_nanos) == (0, 0)
    assert (hit.entry.provider, hit.entry.saved_nanos) == ("openai", by_cache["miss"].entry.cost_nanos)
    assert (hit.call_class, hit.upstream_ms, hit.credential) == ("answered", 0, None)


@pytest.mark.parametrize(
    ("fault", "call_class", "outcome", "words"),
    [
        ("server_error", "failed", "server_error", "The server had an error"),
        ("rate_limited_day", "failed", "upstream_rate_limited", "Rate limit reached for gpt-4o-mini"),
        ("out_of_quota", "failed", "insufficient_quota", "exceeded your current quota"),
        ("invalid_key", "failed", "invalid_upstream_key", "Incorrect API key provided"),
        ("context_length", "refused", "context_length_exceeded", "maximum context length"),
        ("content_policy", "refused", "content_policy_violation", "safety system"),
    ],
)
async def test_a_failure_has_the_upstreams_own_words(
    observed: Gateway, reports: KeptReports, fault: str, call_class: str, outcome: str, words: str
) -> None:
    answer = await observed.chat(x_simulate_fault=fault, x_tidegate_deadline="0")
    report = await reports.after(1)
    assert (report.call_class, report.entry.outcome, report.status) == (call_class, outcome, answer.status)
    assert words in (report.error_text or "")
    assert (report.credential, report.in_ledger) == ("default", True)
    assert UPSTREAM_KEY not in str(report)


async def test_a_stream_that_breaks_off_failed_though_its_status_was_200(
    observed: Gateway, reports: KeptReports
) -> None:
    await observed.chat(STREAM, x_simulate_fault="truncated", x_simulate_tokens="40")
    report = await reports.after(1)
    assert (report.call_class, report.status, report.entry.outcome) == ("failed", 200, "truncated_answer")


async def test_a_canned_reply_is_degraded_and_says_why(world: World, reports: KeptReports) -> None:
    routes = {"gpt-4o-mini": {"targets": [{"provider": "openai"}], "canned_reply": "Try again later."}}
    async with world.gateway(observers=[reports], routes=routes) as gateway:
        await world.set_faults(server_error=1.0)
        assert (await gateway.chat()).status == 200
        report = await reports.after(1)
    assert (report.call_class, report.entry.outcome, report.entry.fallback_step) == ("degraded", "ok", "canned")
    assert "The server had an error" in (report.error_text or "")
    assert report.credential == "default"


async def test_a_stale_answer_is_degraded(world: World, reports: KeptReports) -> None:
    clock = ManualClock()
    async with world.gateway(observers=[reports], clock=clock, cache={"ttl_seconds": 60}) as gateway:
        await gateway.chat()
        clock.advance(120)
        await world.set_faults(server_error=1.0)
        assert (await gateway.chat()).headers["x-tidegate-cache"] == "stale"
        report = await reports.after(2)
    assert (report.call_class, report.entry.cache) == ("degraded", "stale")


@pytest.mark.parametrize(
    ("key", "body", "outcome", "project", "model"),
    [
        ("", CHAT, "missing_api_key", "", ""),
        ("sk-tg-wrong", CHAT, "invalid_api_key", "", ""),
        (None, b"{", "body_not_json", "shop", ""),
        (None, {**CHAT, "model": "gpt-9"}, "model_not_allowed", "shop", "gpt-9"),
    ],
)
async def test_what_is_refused_before_admission_is_reported(
    world: World, reports: KeptReports, key: str | None, body: Any, outcome: str, project: str, model: str
) -> None:
    async with world.gateway(observers=[reports], models={"allowed": ["gpt-4o-mini"]}) as gateway:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        answer = await gateway.chat(body, **headers)
        report = await reports.after(1)
    assert (report.call_class, report.entry.outcome, report.status) == ("refused", outcome, answer.status)
    assert (report.entry.project, report.entry.model, report.in_ledger) == (project, model, False)
    assert bool(report.entry.key_id) is bool(project)
    assert (report.entry.cost_nanos, report.entry.id) == (0, answer.headers["x-request-id"])


async def test_a_limit_refuses_with_the_models_name(world: World, reports: KeptReports) -> None:
    async with world.gateway(observers=[reports]) as gateway:
        key = (await world.make_key("small")).token
        await world.rows("UPDATE projects SET rpm = 1 WHERE id = 'small'")
        answers = [await gateway.chat(ask(f"{n}"), authorization=f"Bearer {key}") for n in range(2)]
        report = await reports.after(2)
    assert [answer.status for answer in answers] == [200, 429]
    assert (report.call_class, report.entry.outcome, report.entry.project) == (
        "refused",
        "rate_limit_exceeded",
        "small",
    )
    assert (report.entry.model, report.entry.provider, report.in_ledger) == ("gpt-4o-mini", None, False)


async def test_a_client_that_leaves_is_neither(world: World, observed: Gateway, reports: KeptReports) -> None:
    async with observed.open("/chat/completions", STREAM, **SLOW_STREAM) as response:
        await response.content.readline()
    report = await reports.after(1)
    assert (report.call_class, report.status, report.entry.outcome) == ("client_gone", 200, "client_disconnected")
    assert report.entry.cost_nanos > 0
    [row] = await world.ledger_entries(1)
    assert row["cost_nanos"] == report.entry.cost_nanos


async def test_a_client_that_leaves_before_the_answer_had_no_status(observed: Gateway, reports: KeptReports) -> None:
    with contextlib.suppress(TimeoutError):
        async with observed.http.post(
            f"{observed.base_url}/chat/completions",
            json=CHAT,
            headers={"authorization": f"Bearer {observed.key}", "x-simulate-latency": "30"},
            timeout=aiohttp.ClientTimeout(total=0.5),
        ):
            pass
    report = await reports.after(1)
    assert (report.call_class, report.status) == ("client_gone", 499)


async def test_each_response_of_a_websocket_is_a_call(observed: Gateway, reports: KeptReports) -> None:
    async with raw(observed) as connection:
        await send_request(connection)
        answered = await reports.after(1)
        await send_request(connection, model=7)
        refused = await reports.after(2)
        await send_request(connection, generate=False)
    assert (answered.call_class, answered.status, answered.entry.route) == ("answered", 200, "responses")
    assert (refused.call_class, refused.status, refused.in_ledger) == ("refused", 400, False)
    assert len(reports.all) == 2


async def test_a_background_response_is_one_call_that_its_job_makes(observed: Gateway, reports: KeptReports) -> None:
    await observed.call("/responses", {**RESPONSES, "store": True, "background": True})
    report = await reports.after(1)
    assert (report.call_class, report.entry.route, report.key_last_four) == ("answered", "responses", observed.key[-4:])
    assert report.entry.cost_nanos > 0


async def test_an_observer_that_fails_harms_no_call(world: World, reports: KeptReports) -> None:
    class Broken:
        def observe(self, report: CallReport) -> None:
            raise ZeroDivisionError(report.entry.id)

    async with world.gateway(observers=[Broken(), reports]) as gateway:
        assert (await gateway.chat()).status == 200
        assert (await reports.after(1)).status == 200
