"""Traffic is replayed against a clock that the test moves: each alert fires and resolves when the table says so."""

from random import Random

import msgspec
import pytest

from tests.alerts.calls import CANNED, FAILED, SLOW, Traffic, call
from tidegate.alerts.figures import SLOT_SECONDS, add_up, window_slots
from tidegate.alerts.judgement import DaySpending, Judgement, judge_cost, judge_errors, judge_slow
from tidegate.alerts.recorder import AlertRecorder
from tidegate.alerts.thresholds import AlertName, Thresholds
from tidegate.alerts.transition import AlertState, step
from tidegate.core.call_report import CallClass, CallReport
from tidegate.core.clock import ManualClock

THRESHOLDS = Thresholds()
MINUTE, DAY = 60.0, 24 * 60
START = 1_790_000_000.0 // 86_400 * 86_400
DOLLAR = 1_000_000_000
Change = tuple[int, str]
"""A minute, rounded down, and what happened then."""


def replay(*parts: Traffic, seed: int = 1) -> list[Change]:
    """Play traffic and judge it after each slot; return what the two alerts on calls do."""
    clock, rng = ManualClock(START), Random(seed)  # noqa: S311  # not for secrets
    recorder = AlertRecorder(THRESHOLDS, clock)
    states = {alert: AlertState(alert=alert) for alert in (AlertName.SLOW, AlertName.ERRORS)}
    changes: list[Change] = []
    for part in parts:
        for slot in range(part.slots):
            for each in part.calls(slot, rng):
                recorder.observe(each)
            window = window_slots(clock.now(), THRESHOLDS.window_seconds)
            slots = [figures for figures in recorder.slots() if figures.number in window]
            total = add_up(slots)
            for judgement in (judge_slow(slots, total, THRESHOLDS), judge_errors(slots, total, THRESHOLDS)):
                before = states[judgement.alert]
                taken = step(before, judgement, now=clock.now(), window_seconds=300, muted=False)
                states[judgement.alert] = taken.state
                if taken.message:
                    word = "fires" if taken.state.is_firing else "resolves"
                    changes.append((int(clock.monotonic() // MINUTE), f"{judgement.alert} {word}"))
            clock.advance(SLOT_SECONDS)
    return changes


QUIET = Traffic(minutes=30)
NIGHT = Traffic(minutes=8 * 60, per_slot=0)
LEFT = call(CallClass.CLIENT_GONE, ms=400)
LEFT_LATE = call(CallClass.CLIENT_GONE, ms=30_000)
REFUSED = call(CallClass.REFUSED, ms=9_000, outcome="rate_limit_exceeded")
STREAM_SLOW_AT_FIRST = call(ms=60_000, first_ms=7_000)
LONG_STREAM = call(ms=60_000, first_ms=700)


@pytest.mark.parametrize(
    ("parts", "changes"),
    [
        pytest.param((QUIET,), [], id="nothing is wrong"),
        pytest.param((QUIET, Traffic(minutes=4, share=0.06), QUIET), [], id="a spike of four minutes"),
        pytest.param(
            (QUIET, Traffic(minutes=6, share=0.06), QUIET),
            [(34, "errors fires"), (42, "errors resolves")],
            id="a spike of six minutes",
        ),
        pytest.param((QUIET, Traffic(minutes=4, share=0.06, bad=SLOW), QUIET), [], id="slow for four minutes"),
        pytest.param(
            (QUIET, Traffic(minutes=6, share=0.06, bad=SLOW), QUIET),
            [(34, "slow fires"), (42, "slow resolves")],
            id="slow for six minutes",
        ),
        pytest.param(
            (QUIET, Traffic(minutes=4, share=1.0), QUIET),
            [(30, "errors fires"), (43, "errors resolves")],
            id="an outage of four minutes",
        ),
        pytest.param(
            (QUIET, Traffic(minutes=4, share=1.0, bad=CANNED), QUIET),
            [(30, "errors fires"), (43, "errors resolves")],
            id="canned answers count",
        ),
        pytest.param((QUIET, Traffic(minutes=30, share=1.0, bad=REFUSED), QUIET), [], id="refused callers"),
        pytest.param((QUIET, Traffic(minutes=30, share=1.0, bad=LEFT), QUIET), [], id="clients that leave"),
        pytest.param(
            (QUIET, Traffic(minutes=4, share=1.0, bad=LEFT_LATE), QUIET),
            [(30, "slow fires"), (43, "slow resolves")],
            id="clients that leave after half a minute of silence",
        ),
        pytest.param(
            (QUIET, Traffic(minutes=4, share=1.0, bad=STREAM_SLOW_AT_FIRST), QUIET),
            [(30, "slow fires"), (43, "slow resolves")],
            id="streams that begin late",
        ),
        pytest.param((QUIET, Traffic(minutes=30, share=1.0, bad=LONG_STREAM)), [], id="long streams"),
        pytest.param((NIGHT, Traffic(minutes=1 / 6, per_slot=19, share=1.0), NIGHT), [], id="19 calls fail"),
        pytest.param(
            (NIGHT, Traffic(minutes=1 / 6, per_slot=20, share=1.0), NIGHT),
            [(480, "errors fires"), (490, "errors resolves")],
            id="20 calls fail, then a night without traffic",
        ),
        pytest.param((NIGHT, QUIET), [], id="a night without traffic"),
        pytest.param(
            (Traffic(minutes=60, share=0.045), Traffic(minutes=6, share=0.08), Traffic(minutes=60, share=0.045)),
            [(60, "errors fires")],
            id="after a spike the rate stays above 80 % of the threshold",
        ),
    ],
)
def test_alerts_fire_and_resolve_as_the_table_says(parts: tuple[Traffic, ...], changes: list[Change]) -> None:
    assert replay(*parts) == changes


@pytest.mark.parametrize(("bad", "alert"), [(FAILED, "errors"), (SLOW, "slow")])
@pytest.mark.parametrize(("share", "changes"), [(0.04, 0), (0.05, 1)])
def test_a_day_of_noise_around_a_threshold_fires_once_at_most(
    bad: CallReport, alert: str, share: float, changes: int
) -> None:
    played = replay(Traffic(minutes=DAY, per_slot=100, share=share, noise=0.02, bad=bad))
    assert [what for _, what in played] == [f"{alert} fires"] * changes


@pytest.mark.parametrize("bad", [FAILED, SLOW])
def test_little_traffic_that_is_bad_by_chance_wakes_a_person_a_few_times_a_day(bad: CallReport) -> None:
    played = replay(Traffic(minutes=DAY, share=0.05, by_chance=True, bad=bad))
    assert sum("fires" in what for _, what in played) <= 6


# --- cost ----------------------------------------------------------------------------------------------------------


def spending(dollars: float, day: str = "2026-09-21") -> Judgement:
    spent = DaySpending(day=day, begin=START, end=START + 86_400, spent_nanos=round(dollars * DOLLAR))
    return judge_cost(spent, THRESHOLDS, START + 3600)


def test_cost_fires_once_a_day_and_resolves_with_the_day() -> None:
    state, messages = AlertState(alert=AlertName.COST), []
    steps = [
        (99.99, "2026-09-21"), (100.0, "2026-09-21"), (100.01, "2026-09-21"), (180.0, "2026-09-21"),
        (70.0, "2026-09-21"), (101.0, "2026-09-21"), (0.0, "2026-09-22"), (150.0, "2026-09-21"),
        (50.0, "2026-09-22"), (120.0, "2026-09-22"), (130.0, "2026-09-23"), (131.0, "2026-09-23"),
    ]  # fmt: skip
    for number, (dollars, day) in enumerate(steps):
        taken = step(state, spending(dollars, day), now=START + number * 600, window_seconds=300, muted=False)
        state = taken.state
        if taken.message:
            messages.append((dollars, day, "fires" if state.is_firing else "resolves"))
    assert messages == [
        (100.01, "2026-09-21", "fires"),
        (0.0, "2026-09-22", "resolves"),  # and a clock that is late by a minute does not fire the day before again
        (120.0, "2026-09-22", "fires"),
        (130.0, "2026-09-23", "resolves"),
        (131.0, "2026-09-23", "fires"),
    ]


# --- muting --------------------------------------------------------------------------------------------------------

OVER = Judgement(alert=AlertName.ERRORS, is_over=True, is_calm=False)
CALM = Judgement(alert=AlertName.ERRORS)


@pytest.mark.parametrize(
    ("rounds", "messages"),
    [
        pytest.param([(OVER, True), (OVER, True), (OVER, False)], [2], id="it still fires when muting ends"),
        pytest.param([(OVER, True), (CALM, True), (CALM, True), (CALM, False)], [], id="it came and went meanwhile"),
        pytest.param([(OVER, False), (CALM, True), (CALM, True), (CALM, False)], [0, 3], id="it resolved meanwhile"),
    ],
)
def test_what_muting_held_back_is_said_later_if_it_still_holds(
    rounds: list[tuple[Judgement, bool]], messages: list[int]
) -> None:
    state, sent = AlertState(alert=AlertName.ERRORS), []
    for number, (judgement, muted) in enumerate(rounds):
        taken = step(state, judgement, now=START + number * 400, window_seconds=300, muted=muted)
        state = taken.state
        if taken.message:
            sent.append(number)
    assert sent == messages


def test_a_state_that_does_not_change_keeps_its_version() -> None:
    state = AlertState(alert=AlertName.ERRORS)
    assert step(state, CALM, now=START, window_seconds=300, muted=False).state is state
    firing = step(state, OVER, now=START, window_seconds=300, muted=False).state
    assert firing.version == 1
    assert step(firing, OVER, now=START + 10, window_seconds=300, muted=False).state is firing
    calm = step(firing, CALM, now=START + 10, window_seconds=300, muted=False).state
    assert (calm.version, calm.calm_since) == (2, START + 10)
    assert msgspec.structs.replace(calm, version=0) != msgspec.structs.replace(firing, version=0)
