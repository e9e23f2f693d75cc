"""The upstream's health comes from real calls, and from rare free probes only without traffic."""

from tidegate.core.clock import ManualClock
from tidegate.core.errors import (
    ClientDisconnected,
    ConnectionFailed,
    ContextLengthExceeded,
    TidegateError,
    UpstreamOverloaded,
)
from tidegate.monitoring.traffic_health import PROBE_SECONDS, WINDOW_SECONDS, TrafficHealth


class Probe:
    """A free call that can be told to fail."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: TidegateError | None = None

    async def __call__(self) -> None:
        self.calls += 1
        if self.error:
            raise self.error


async def test_real_calls_tell_and_nothing_is_asked(clock: ManualClock) -> None:
    health, probe = TrafficHealth(clock), Probe()
    health.record(None)
    assert (await health.report(probe)).status == "ok"
    health.record(UpstreamOverloaded())
    report = await health.report(probe)
    assert (report.status, report.failures, report.calls) == ("degraded", {"server_is_overloaded": 1}, 2)
    assert probe.calls == 0


async def test_it_is_down_when_every_call_fails(clock: ManualClock) -> None:
    health = TrafficHealth(clock)
    for _ in range(3):
        health.record(UpstreamOverloaded())
    assert (await health.report(Probe())).status == "down"


async def test_what_callers_do_is_not_its_fault(clock: ManualClock) -> None:
    health = TrafficHealth(clock)
    for error in (ClientDisconnected(), ContextLengthExceeded()):
        health.record(error)
    assert (await health.report(Probe())).status == "ok"


async def test_without_traffic_it_is_asked_once_in_a_while(clock: ManualClock) -> None:
    health, probe = TrafficHealth(clock), Probe()
    for _ in range(5):
        assert (await health.report(probe)).status == "ok"
    assert probe.calls == 1
    clock.advance(PROBE_SECONDS)
    probe.error = ConnectionFailed()
    report = await health.report(probe)
    assert (report.status, report.failures, report.probed, probe.calls) == ("down", {"connection_failed": 1}, True, 2)


async def test_old_calls_count_no_longer(clock: ManualClock) -> None:
    health, probe = TrafficHealth(clock), Probe()
    health.record(UpstreamOverloaded())
    clock.advance(WINDOW_SECONDS + 1)
    report = await health.report(probe)
    assert (report.status, report.calls, probe.calls) == ("ok", 0, 1)
    assert report.last_failure_seconds_ago == WINDOW_SECONDS + 1
