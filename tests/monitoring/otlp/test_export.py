"""No call waits for the collector: the queue is bounded, and what is dropped is counted."""

import asyncio
import threading
from collections.abc import Sequence

from structlog.testing import capture_logs

from tests.eventually import wait_until
from tests.monitoring.call_reports import REPORT
from tidegate.core.call_report import CallReport
from tidegate.core.events import Event, EventName
from tidegate.monitoring.otlp.export import BATCH_CALLS, OtlpExport


class FakeSender:
    """A collector that takes everything, refuses it, or hangs."""

    def __init__(self) -> None:
        self.takes = True
        self.free = threading.Event()
        self.free.set()
        self.calls = 0
        self.metrics_sent = 0
        self.stopped = False

    def send_calls(self, reports: Sequence[CallReport]) -> bool:
        self.free.wait(60)
        if self.takes:
            self.calls += len(reports)
        return self.takes

    def send_metrics(self) -> bool:
        self.metrics_sent += 1
        return self.takes

    def stop(self) -> None:
        self.stopped = True
        self.free.set()


class Dropped:
    """Counts what was dropped."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, event: Event) -> None:
        assert event.name is EventName.TELEMETRY_DROPPED
        self.calls += event.count


def export(sender: FakeSender, dropped: Dropped, *, max_queued_calls: int = 1000) -> OtlpExport:
    return OtlpExport(sender, interval_seconds=0.01, max_queued_calls=max_queued_calls, on_event=dropped)


async def test_calls_arrive_and_the_last_ones_at_the_end() -> None:
    sender, dropped = FakeSender(), Dropped()
    otlp = export(sender, dropped)
    await otlp.start()
    for _ in range(BATCH_CALLS + 1):
        otlp.observe(REPORT)
    await wait_until(lambda: sender.calls == BATCH_CALLS + 1)
    otlp.observe(REPORT)
    await otlp.close()
    assert (sender.calls, dropped.calls, sender.stopped) == (BATCH_CALLS + 2, 0, False)
    assert sender.metrics_sent


async def test_a_collector_that_hangs_holds_up_nothing_and_fills_no_memory() -> None:
    sender, dropped = FakeSender(), Dropped()
    sender.free.clear()
    otlp = export(sender, dropped, max_queued_calls=100)
    await otlp.start()
    otlp.observe(REPORT)
    began = asyncio.get_running_loop().time()
    for _ in range(10_000):
        otlp.observe(REPORT)
    assert asyncio.get_running_loop().time() - began < 2
    assert dropped.calls >= 10_000 - 100 - BATCH_CALLS
    with capture_logs() as logs:
        await otlp.close()
    assert sender.stopped
    assert [line["event"] for line in logs] == ["the collector did not take the last calls in time"]


async def test_what_is_refused_is_counted_and_logged_once() -> None:
    sender, dropped = FakeSender(), Dropped()
    sender.takes = False
    otlp = export(sender, dropped)
    with capture_logs() as logs:
        await otlp.start()
        for calls in range(1, 4):
            otlp.observe(REPORT)
            await wait_until(lambda calls=calls: dropped.calls == calls)  # type: ignore[misc]  # a default of the loop's
        sender.takes = True
        otlp.observe(REPORT)
        await wait_until(lambda: sender.calls == 1)
        await otlp.close()
    assert [line["log_level"] for line in logs] == ["warning", "info"]
    assert dropped.calls == 3
