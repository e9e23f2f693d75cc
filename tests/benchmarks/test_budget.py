"""A budget run ends, and keeps its budget, although each of its three replicas is killed once; more: `--runs 50`."""

import pytest

from tests.benchmarks.shortest import MOST_SECONDS, play

pytestmark = pytest.mark.long


def test_the_budget_is_kept_over_kills_of_three_different_replicas() -> None:
    ended = play("budget", "--runs", "1", "--callers", "40", "--deadline", str(MOST_SECONDS))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "kept in 1 of 1 runs" in ended.stdout
