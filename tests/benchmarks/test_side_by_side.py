"""The comparison runs by its command line, tells CPU beside rates, and writes nothing where it was told to be short."""

import sys

import psutil
import pytest

from benchmarks.results import RESULTS
from tests.benchmarks.shortest import MOST_SECONDS, play

CORES = len(psutil.Process().cpu_affinity()) if sys.platform == "linux" else 0

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.skipif(CORES < 2, reason="it keeps the gateway on one core and all else on another"),
]


def test_the_shortest_comparison_ends_with_its_tables() -> None:
    before = RESULTS.read_text()
    ended = play("side_by_side", "--smoke", "--deadline", str(MOST_SECONDS))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "The gateway runs alone on core" in ended.stdout
    for row in ("| tidegate, miss | 4 |", "| tidegate, again, hit | 4 |", "| floor, miss | 1 |"):
        assert row in ended.stdout
    assert "Two turns of Tidegate differed by" in ended.stdout
    assert RESULTS.read_text() == before
