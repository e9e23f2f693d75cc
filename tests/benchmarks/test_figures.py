"""The tables tell medians over the rounds, CPU beside rates, and what a gateway without a cache is compared with."""

import pytest

from benchmarks import figures
from benchmarks.figures import AGAIN, OURS, Figures
from benchmarks.turns import Case, Turn

MISS, HIT, CHUNK = Case("miss", 8), Case("hit", 8), Case("chunk", 200)
CASES = [MISS, HIT, CHUNK]


def contestant(name: str, turns: dict[Case, list[float]]) -> Figures:
    """Return one whose turns have these microseconds, and a rate of a million by them."""
    found = {
        case: [Turn(microseconds=each, redis=each / 5, postgres=each / 20, rate=1e6 / each) for each in taken]
        for case, taken in turns.items()
    }
    return Figures(name=name, title=f"{name} 1.0", start_seconds=1.0, idle_bytes=0, streams=200, turns=found)


EVERYONE = {
    OURS: contestant(OURS, {MISS: [400, 500, 900], HIT: [100], CHUNK: [40]}),
    AGAIN: contestant(AGAIN, {MISS: [520], HIT: [103], CHUNK: [40]}),
    "peer": contestant("peer", {MISS: [1000], CHUNK: [20]}),
}


def test_medians_are_told_with_cpu_beside_rates() -> None:
    assert "| tidegate, miss | 8 | 500 | 100 | 25 | 2,000 | 0.00 | 0.00 |" in figures.tables(EVERYONE, CASES)


def test_hits_are_compared_with_the_misses_of_a_gateway_without_a_cache() -> None:
    assert "| peer | 0.50 x, 2.00 x | 0.10 x, 10.00 x |" in figures.tables(EVERYONE, CASES)


def test_the_noise_is_the_largest_difference_of_two_equal_contestants() -> None:
    assert figures.noise(EVERYONE, CASES) == pytest.approx(0.04)
    assert figures.noise({OURS: EVERYONE[OURS]}, CASES) is None


def test_pages_quote_each_gateway_once() -> None:
    table = figures.for_readme(EVERYONE, CASES).splitlines()
    assert [row.split("|")[1].strip() for row in table[2:]] == ["tidegate 1.0", "peer 1.0"]
    assert table[3] == "| peer 1.0 | 1,000 | 1,000 | - | - | 20 |"


def test_capacity_is_what_one_core_carries() -> None:
    assert "| chunks of streams | 25,000 a second | 40 µs each | - | - | - |" in figures.for_capacity(EVERYONE, CASES)


def test_the_next_wall_is_where_the_one_thread_of_redis_is_full() -> None:
    row = "| calls that go upstream | 2,000 a second | 500 µs each | 100 µs each | 25 µs each | 10,000 a second |"
    assert row in figures.for_capacity(EVERYONE, CASES)
