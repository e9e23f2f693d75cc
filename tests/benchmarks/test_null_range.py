"""A ratio counts as a difference only outside the range in which the old commit differs from itself."""

import pytest

from benchmarks import null_range
from benchmarks.counting import Count


def rounds(*figures: tuple[float, float, float]) -> list[dict[str, float]]:
    return [{"old": old, "again": again, "new": new} for old, again, new in figures]


@pytest.mark.parametrize(
    ("figures", "inside"),
    [
        ([(100, 102, 99), (100, 98, 101)], True),
        ([(100, 105, 96), (100, 105, 96)], True),  # the two old gateways could have been the other way round
        ([(100, 105, 104), (100, 105, 104)], True),
        ([(100, 102, 80), (100, 98, 82)], False),
        ([(100, 102, 103), (100, 98, 104)], False),
        ([(100, 100, 100)], True),
        ([(100, 100, 101)], False),
        ([(100, 102, 70), (100, 98, 100), (100, 101, 100)], True),  # one disturbed round of three
    ],
)
def test_a_ratio_is_judged_by_the_range_of_the_null(figures: list[tuple[float, float, float]], inside: bool) -> None:
    assert null_range.judge(rounds(*figures)).inside is inside


def test_the_ratios_are_medians_over_the_rounds() -> None:
    verdict = null_range.judge(rounds((100, 110, 50), (200, 200, 120), (100, 80, 70)))
    assert (verdict.null, verdict.ratio) == (1.0, 0.6)
    assert (verdict.lowest, verdict.highest) == (0.8, 1.25)


def test_the_table_tells_medians_the_best_and_the_verdict() -> None:
    table = null_range.table("CPU", {"miss": rounds((100, 102, 80), (110, 108, 90))}, best="least").splitlines()
    medians, null = "105.0 (100.0) | 105.0 (102.0) | 85.0 (80.0)", "1.001 (0.980 to 1.020)"
    assert table[0] == "CPU: median (least)"
    assert table[-1] == f"| miss | {medians} | {null} | 0.809 | outside: less than old |"


def test_counted_calls_stand_side_by_side() -> None:
    table = null_range.counts({"hit": Count(python=200, c=0)}, {"hit": Count(python=150, c=7)})
    assert table.splitlines()[-1] == "| hit | 200 | 150 | 0.750 | 0 | 7 | - |"
