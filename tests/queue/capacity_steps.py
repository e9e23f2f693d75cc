"""Random histories of a lane, as a list of steps."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from tidegate.queue.messages import CapacityReport, LaneLimits

Step = tuple[str, Any]
PROCESSES = ("a", "b", "c")
FLOWS = ("harbour", "quay", "mole")

_amounts = st.sampled_from([0, 1, 7, 100, 900, 5_000])
_reports = st.builds(
    CapacityReport,
    answered=st.integers(0, 5),
    succeeded=st.integers(0, 5),
    rpm=st.sampled_from([-1, -1, 3, 60, 600]),
    rpm_remaining=st.sampled_from([-1, 0, 1, 20, 599]),
    tpm=st.sampled_from([-1, -1, 1_000, 30_000]),
    tpm_remaining=st.sampled_from([-1, 0, 500, 30_000]),
    age=st.sampled_from([0.0, 0.05, 2.0]),
    closed_window=st.sampled_from(["requests", "tokens"]),
    closed_for=st.sampled_from([-1.0, -1.0, -1.0, 0.3, 20.0]),
    rejection_kind=st.sampled_from(["", "", "", "requests", "tokens", "day"]),
    retry_after=st.sampled_from([-1.0, 0.0, 0.644, 9.0]),
    tokens=_amounts,
    outage=st.sampled_from([False, False, False, True]),
)


class Arrival(msgspec.Struct, frozen=True):
    """Several requests of one project that arrive together."""

    count: int
    process: str
    flow: str
    weight: int
    tokens: int
    patience: float


_arrivals = st.builds(
    Arrival,
    count=st.integers(1, 12),
    process=st.sampled_from(PROCESSES),
    flow=st.sampled_from(FLOWS),
    weight=st.sampled_from([1, 4, 16]),
    tokens=_amounts,
    patience=st.sampled_from([0.5, 30.0, 3600.0]),
)
_steps = st.one_of(
    _arrivals.map(lambda arrival: ("arrive", arrival)),
    _arrivals.map(lambda arrival: ("arrive", arrival)),
    st.integers(0, 200).map(lambda which: ("leave", which)),
    st.integers(0, 200).map(lambda which: ("return", which)),
    st.integers(0, 200).map(lambda which: ("ask again", which)),
    _amounts.map(lambda tokens: ("give back", tokens)),
    _reports.map(lambda report: ("learn", report)),
    st.sampled_from([0.01, 0.1, 1.0, 7.0, 61.0]).map(lambda seconds: ("pass", seconds)),
    st.sampled_from([0.01, 0.1, 1.0, 7.0, 61.0]).map(lambda seconds: ("pass", seconds)),
    st.sampled_from(PROCESSES).map(lambda process: ("die", process)),
)
histories = st.lists(_steps, max_size=40)
lane_limits = st.builds(
    LaneLimits,
    rpm=st.sampled_from([0, 0, 60, 600]),
    tpm=st.sampled_from([0, 0, 0, 20_000]),
    max_waiting=st.sampled_from([10, 10_000]),
)


def burst_is_gone(*, flood: int, few: int) -> list[Step]:
    """Return steps: a flood takes all but the reserve; a light request waits and comes back, and another arrives."""
    one = Arrival(1, "a", "harbour", few, 0, 3600.0)
    return [
        ("learn", CapacityReport(rpm=60, rpm_remaining=60, succeeded=1_000)),
        ("arrive", Arrival(70, "a", "quay", flood, 0, 3600.0)),
        ("learn", CapacityReport(answered=53, rejection_kind="day", retry_after=0.05)),
        ("arrive", one),
        ("pass", 0.06),
        ("ask again", 70),
        ("arrive", one),
    ]


def less_is_left() -> list[Step]:
    """Return steps: another client uses the same key, so the upstream reports less than estimated."""
    said = [
        CapacityReport(rpm=600, rpm_remaining=left, tpm=30_000, tpm_remaining=50 * left, age=0.05)
        for left in (599, 20, 500)
    ]
    return [("learn", report) for report in said]


def more_is_left() -> list[Step]:
    """Return steps: token estimates are too high, so the upstream keeps reporting that nearly all remains."""
    said = CapacityReport(answered=1, rpm=600, rpm_remaining=590, tpm=30_000, tpm_remaining=29_000, age=0.05)
    flood = Arrival(40, "a", "harbour", 4, 900, 3600.0)
    return [("learn", said), ("arrive", flood), *([("learn", said), ("pass", 0.7)] * 10)]
