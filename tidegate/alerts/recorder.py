"""Count this process's calls for the alerts: an observer of call reports that keeps the slots of one window."""

from collections import deque

from tidegate.alerts.figures import (
    MAX_CAUSES,
    OTHER,
    SLOT_SECONDS,
    CauseFigures,
    SlotFigures,
    WaitFigures,
    bucket_of,
    slot_of,
)
from tidegate.alerts.thresholds import CALM_SHARE, OTHER_MODELS, Thresholds
from tidegate.core.call_report import CallClass, CallReport
from tidegate.core.clock import Clock

MAX_WORDS = 200
"""Characters of an upstream's words that are kept."""


class AlertRecorder:
    """Count calls in slots. It keeps one window, so its memory is bounded."""

    def __init__(self, thresholds: Thresholds, clock: Clock) -> None:
        self._thresholds = thresholds
        self._clock = clock
        self._slots: deque[SlotFigures] = deque(maxlen=thresholds.window_seconds // SLOT_SECONDS + 1)
        self._open = _OpenSlot(slot_of(clock.now()))

    def observe(self, report: CallReport) -> None:
        """Count a call that has ended."""
        slot, number = self._open, int(self._clock.now() // SLOT_SECONDS)
        if number != slot.number:
            slot = self._turn(number)
        slot.cost_nanos += report.entry.cost_nanos
        kind = report.call_class
        if kind is CallClass.REFUSED:
            return
        if kind is CallClass.CLIENT_GONE:
            # a client that left before the threshold says nothing of how long the answer would have taken
            if report.first_content_ms is None and report.total_ms > self._thresholds.of_group(report.entry.model):
                self._count_wait(slot, report, report.total_ms)
            return
        slot.calls += 1
        if not report.is_background:
            # a caller waits for the first content of a stream, and for the whole of any other answer
            first_content_ms = report.first_content_ms if report.entry.stream else None
            self._count_wait(slot, report, report.total_ms if first_content_ms is None else first_content_ms)
        if kind is not CallClass.ANSWERED:
            slot.count_cause(report)

    def slots(self) -> list[SlotFigures]:
        """Return the slots that have calls, the present one included, the oldest first."""
        if (number := slot_of(self._clock.now())) != self._open.number:
            self._turn(number)
        return [slot for slot in (*self._slots, self._open.close()) if slot.calls or slot.waits or slot.cost_nanos]

    def _turn(self, number: int) -> "_OpenSlot":
        self._slots.append(self._open.close())
        self._open = _OpenSlot(number)
        return self._open

    def _count_wait(self, slot: "_OpenSlot", report: CallReport, wait_ms: int) -> None:
        model = report.entry.model
        threshold = self._thresholds.model_ms.get(model)
        group = OTHER_MODELS if threshold is None else model
        if threshold is None:
            threshold = self._thresholds.slow_ms
        waits = slot.waits.get(group)
        if waits is None:
            waits = slot.waits[group] = _OpenWaits()
        bucket = bucket_of(wait_ms)
        waits.calls += 1
        waits.buckets[bucket] = waits.buckets.get(bucket, 0) + 1
        if wait_ms > CALM_SHARE * threshold:
            waits.near += 1
            if wait_ms > threshold:
                waits.count_slow(report)


class _OpenWaits:
    """Figures that still change."""

    def __init__(self) -> None:
        self.calls = self.over = self.near = 0
        self.queue_ms = self.upstream_ms = self.gateway_ms = 0
        self.buckets: dict[int, int] = {}
        self.targets: dict[str, int] = {}

    def count_slow(self, report: CallReport) -> None:
        self.over += 1
        self.queue_ms += report.queue_ms
        self.upstream_ms += report.upstream_ms
        self.gateway_ms += report.gateway_ms
        entry = report.entry
        target = f"{entry.provider}/{entry.served_model or entry.model}" if entry.provider else OTHER
        if target not in self.targets and len(self.targets) >= MAX_CAUSES:
            target = OTHER
        self.targets[target] = self.targets.get(target, 0) + 1

    def close(self) -> WaitFigures:
        return WaitFigures(
            self.calls,
            self.over,
            self.near,
            self.buckets.copy(),
            self.queue_ms,
            self.upstream_ms,
            self.gateway_ms,
            self.targets.copy(),
        )


class _OpenSlot:
    """A slot that still changes."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.calls = self.failed = self.degraded = self.cost_nanos = 0
        self.waits: dict[str, _OpenWaits] = {}
        self.causes: dict[str, CauseFigures] = {}

    def count_cause(self, report: CallReport) -> None:
        entry = report.entry
        if report.call_class is CallClass.FAILED:
            self.failed += 1
        else:
            self.degraded += 1
        outcome = entry.outcome if entry.outcome != "ok" else entry.fallback_step or entry.cache
        provider = entry.provider or ""
        key = f"{outcome} {provider}"
        if key not in self.causes and len(self.causes) >= MAX_CAUSES:
            key, outcome, provider = OTHER, OTHER, ""
        known = self.causes.get(key)
        words = (report.error_text or "")[:MAX_WORDS]
        self.causes[key] = CauseFigures(known.count + 1 if known else 1, outcome, provider, words)

    def close(self) -> SlotFigures:
        waits = {group: waits.close() for group, waits in self.waits.items()}
        causes = self.causes.copy()
        return SlotFigures(self.number, self.calls, self.failed, self.degraded, waits, causes, self.cost_nanos)
