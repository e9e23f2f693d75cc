"""A process counts its calls in bounded memory, each model group by its own threshold."""

from tests.alerts.calls import FAILED, GOOD, call
from tidegate.alerts.figures import MAX_CAUSES
from tidegate.alerts.recorder import MAX_WORDS, AlertRecorder
from tidegate.alerts.thresholds import OTHER_MODELS, Thresholds
from tidegate.core.call_report import CallClass
from tidegate.core.clock import ManualClock

THRESHOLDS = Thresholds(model_ms={"o3": 60_000})


def test_a_model_may_have_a_threshold_of_its_own() -> None:
    recorder = AlertRecorder(THRESHOLDS, ManualClock())
    for each in (call(ms=50_000, model="o3"), call(ms=61_000, model="o3"), call(ms=6_000), GOOD):
        recorder.observe(each)
    [slot] = recorder.slots()
    assert {group: (waits.calls, waits.near, waits.over) for group, waits in slot.waits.items()} == {
        "o3": (2, 2, 1),
        OTHER_MODELS: (2, 1, 1),
    }


def test_the_shares_of_queue_upstream_and_gateway_are_those_of_slow_calls() -> None:
    recorder = AlertRecorder(THRESHOLDS, ManualClock())
    for each in (GOOD, call(ms=9_000, queue_ms=6_000, gateway_ms=100)):
        recorder.observe(each)
    waits = recorder.slots()[0].waits[OTHER_MODELS]
    assert (waits.queue_ms, waits.upstream_ms, waits.gateway_ms) == (6_000, 2_900, 100)
    assert waits.targets == {"openai/gpt-4o-mini": 1}


def test_one_window_is_kept() -> None:
    clock = ManualClock()
    recorder = AlertRecorder(THRESHOLDS, clock)
    for _ in range(1_000):
        recorder.observe(GOOD)
        clock.advance(10)
    assert len(recorder.slots()) == 31
    clock.advance(100_000)
    assert len(recorder.slots()) <= 31


def test_many_causes_and_long_words_stay_small() -> None:
    recorder = AlertRecorder(THRESHOLDS, ManualClock())
    for number in range(1_000):
        recorder.observe(call(CallClass.FAILED, outcome=f"error_{number}", words="x" * 100_000))
        recorder.observe(call(ms=9_000, model=f"model-{number}"))
    [slot] = recorder.slots()
    assert len(slot.causes) == MAX_CAUSES + 1
    assert sum(cause.count for cause in slot.causes.values()) == slot.failed == 1_000
    assert max(len(cause.words) for cause in slot.causes.values()) == MAX_WORDS
    assert list(slot.waits) == [OTHER_MODELS]
    assert len(slot.waits[OTHER_MODELS].targets) == MAX_CAUSES + 1


def test_the_words_are_the_upstreams() -> None:
    recorder = AlertRecorder(THRESHOLDS, ManualClock())
    recorder.observe(FAILED)
    [cause] = recorder.slots()[0].causes.values()
    assert cause.words == "The server had an error while processing your request."
