"""A call is traced from its caller through the gateway to the upstream, and no call notices a collector that fails."""

import asyncio
from typing import Any

import pytest

from tests.eventually import wait_until
from tests.gateway.recording import recording
from tests.harness import STREAM, World, ask
from tests.monitoring.otlp.collector import Behaviour, StandInCollector, attributes, running_collector

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OPEN: dict[str, Any] = {"monitoring": {"public_metrics": True}}


def tracing(collector: StandInCollector, **more: Any) -> dict[str, Any]:
    return {"tracing": {"endpoint": collector.endpoint, "interval_seconds": 0.1, "timeout_seconds": 1.0, **more}}


@pytest.mark.parametrize("body", [ask("whole"), STREAM])
async def test_the_spans_of_a_call_are_one_trace_with_the_upstreams(world: World, body: object) -> None:
    with running_collector() as collector:
        async with recording(world, **tracing(collector)) as (gateway, upstream):
            answer = await gateway.chat(body, traceparent=PARENT, tracestate="vendor=1")
            assert answer.status == 200
            [sent] = [headers for headers in upstream.headers if "traceparent" in headers]
            await wait_until(lambda: len(collector.spans) == 2)
    server, client = collector.spans
    version, trace_id, span_id, flags = sent["traceparent"].split("-")
    assert (version, flags, sent["tracestate"]) == ("00", "01", "vendor=1")
    assert trace_id == server.trace_id.hex() == client.trace_id.hex() == PARENT.split("-")[1]
    assert span_id == client.span_id.hex()
    assert client.parent_span_id == server.span_id
    assert server.parent_span_id.hex() == PARENT.split("-")[2]
    assert attributes(server.attributes)["tidegate.request.id"] == answer.headers["x-request-id"]
    assert attributes(client.attributes)["gen_ai.usage.output_tokens"]


async def test_calls_with_other_traces_share_a_stored_answer(world: World) -> None:
    with running_collector() as collector:
        async with world.gateway(**tracing(collector)) as gateway:
            caches = [(await gateway.chat()).headers["x-tidegate-cache"] for _ in range(2)]
            await wait_until(lambda: len(collector.spans) == 3)  # a hit has no span of an upstream call
    assert caches == ["miss", "hit"]


async def test_a_refused_call_has_a_span(world: World) -> None:
    with running_collector() as collector:
        async with world.gateway(**tracing(collector)) as gateway:
            assert (await gateway.chat(b"{")).status == 400
            await wait_until(lambda: len(collector.spans) == 1)
    shown = attributes(collector.spans[0].attributes)
    assert (shown["http.response.status_code"], shown["error.type"]) == (400, "body_not_json")


async def test_metrics_have_arrived_at_the_end(world: World) -> None:
    with running_collector() as collector:
        async with world.gateway(**tracing(collector)) as gateway:
            assert (await gateway.chat()).status == 200
        assert "gen_ai.client.operation.duration" in collector.metrics


async def test_nothing_is_added_to_the_upstreams_headers_without_a_collector(world: World) -> None:
    async with recording(world) as (gateway, upstream):
        assert (await gateway.chat(traceparent=PARENT)).status == 200
        assert not any("traceparent" in headers for headers in upstream.headers)


@pytest.mark.parametrize("behaviour", list(Behaviour))
async def test_no_call_notices_the_collector(world: World, behaviour: Behaviour) -> None:
    with running_collector() as collector:
        collector.behaviour = behaviour
        async with world.gateway(**OPEN, **tracing(collector, max_queued_calls=10)) as gateway:
            answers = await asyncio.gather(*(gateway.chat(ask(f"{number}")) for number in range(60)))
            assert {answer.status for answer in answers} == {200}
            if behaviour not in (Behaviour.TAKES, Behaviour.ENDLESS):
                async with gateway.http.get(gateway.root + "/metrics") as page:
                    text = await page.text()
                [line] = [line for line in text.splitlines() if 'event="telemetry_dropped"' in line]
                assert float(line.split()[-1]) > 0
        collector.released.set()


async def test_a_collector_that_is_away_is_no_reason_not_to_start(world: World) -> None:
    with running_collector() as collector:
        gone = tracing(collector)
    async with world.gateway(**gone) as gateway:
        assert (await gateway.chat()).status == 200
