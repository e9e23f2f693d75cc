"""Health covers the process, its stores and the upstream, from real traffic or else from a free probe."""

from tests.harness import Gateway, World
from tidegate.core.clock import ManualClock
from tidegate.monitoring.traffic_health import PROBE_SECONDS, WINDOW_SECONDS


async def test_the_process_is_alive_and_ready(gateway: Gateway) -> None:
    assert (await gateway.call("/livez")).json == {"status": "ok"}
    ready = await gateway.call("/readyz")
    assert (ready.status, ready.json) == (200, {"status": "ok", "postgres": "ok", "redis": "ok"})


async def test_health_needs_no_key(gateway: Gateway) -> None:
    for path in ("/livez", "/readyz", "/health/upstream"):
        assert (await gateway.call(path, authorization="")).status == 200


async def test_without_traffic_the_upstream_is_asked_for_free_and_seldom(world: World, clock: ManualClock) -> None:
    async with world.gateway(clock=clock) as gateway:
        reports = [(await gateway.call("/health/upstream")).json for _ in range(5)]
        assert {(report["status"], report["probed"], report["calls"]) for report in reports} == {("ok", True, 0)}
        assert (await world.stats())["calls"] == {"models": 1}
        clock.advance(PROBE_SECONDS - 1)
        await gateway.call("/health/upstream")
        assert await world.calls("models") == 1
        clock.advance(2)
        await gateway.call("/health/upstream")
    assert (await world.stats())["calls"] == {"models": 2}
    assert await world.ledger_entries(0) == []


async def test_traffic_tells_enough(world: World, clock: ManualClock) -> None:
    async with world.gateway(clock=clock) as gateway:
        await gateway.chat()
        report = (await gateway.call("/health/upstream")).json
        assert (report["status"], report["probed"], report["calls"]) == ("ok", False, 1)
        await gateway.chat(x_simulate_fault="server_error", x_tidegate_deadline="0")
        degraded = await gateway.call("/health/upstream")
        assert (degraded.status, degraded.json["status"]) == (200, "degraded")
        assert degraded.json["failures"] == {"server_error": 1}
        assert await world.calls("models") == 0
        clock.advance(WINDOW_SECONDS + 1)
        assert (await gateway.call("/health/upstream")).json["probed"]


async def test_an_upstream_that_only_fails_is_down(gateway: Gateway) -> None:
    await gateway.chat(x_simulate_fault="overloaded", x_tidegate_deadline="0")
    await gateway.chat(x_simulate_fault="out_of_quota")
    down = await gateway.call("/health/upstream")
    assert (down.status, down.json["status"]) == (503, "down")
    assert down.json["failures"] == {"server_is_overloaded": 1, "insufficient_quota": 1}


async def test_an_upstream_that_is_away_is_down(world: World) -> None:
    async with world.gateway(upstream={"base_url": "http://127.0.0.1:9/v1"}) as gateway:
        down = await gateway.call("/health/upstream")
        assert (down.status, down.json["status"], down.json["failures"]) == (503, "down", {"connection_failed": 1})


async def test_a_callers_mistake_is_no_illness(gateway: Gateway) -> None:
    await gateway.chat(x_simulate_fault="context_length")
    assert (await gateway.call("/health/upstream")).json["status"] == "ok"
