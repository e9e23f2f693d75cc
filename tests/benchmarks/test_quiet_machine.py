"""Results of a busy machine are refused: before the run, between the turns, and where a gateway differs from itself."""

import pytest

from benchmarks.quiet_machine import QuietWatch, Times, complaints

STAT = "cpu  100 20 50 700 30 5 5 90 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"


def test_what_is_neither_idle_nor_waiting_for_a_disk_is_busy() -> None:
    times = Times.parse(STAT)
    assert times == Times(idle=730, steal=90, total=1000)
    assert times.busy == pytest.approx(0.27)
    assert times.stolen == pytest.approx(0.09)


def test_a_look_is_at_what_passed_and_the_steal_is_of_the_whole_run() -> None:
    readings = [
        Times(idle=0, steal=0, total=0),
        Times(idle=100, steal=0, total=200),
        Times(idle=150, steal=10, total=300),
        Times(idle=150, steal=40, total=400),
    ]
    slept: list[float] = []
    watch = QuietWatch(iter(readings).__next__, slept.append)
    assert watch.look(0.5) == pytest.approx(0.5)
    assert watch.looks == [pytest.approx(0.5)]
    assert slept == [0.5]
    assert watch.stolen() == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("looks", "stolen", "noise", "said"),
    [
        ([0.01, 0.02, 0.2], 0.0, 0.02, []),
        ([0.01], 0.0, None, []),
        ([0.1, 0.1, 0.01], 0.0, None, ["other work kept 10% of the cores busy (at most 5%)"]),
        ([0.01, 0.01, 0.6], 0.0, None, ["other work kept 60% of the cores busy once (at most 25%)"]),
        ([0.01], 0.05, None, ["the host gave 5.0% of the cores to others (at most 2%)"]),
        ([0.01], 0.0, 0.2, ["the same gateway differed from itself by 20% (at most 10%)"]),
    ],
)
def test_a_machine_is_refused_for_what_would_mislead(
    looks: list[float], stolen: float, noise: float | None, said: list[str]
) -> None:
    assert list(complaints(looks, stolen, noise)) == said
