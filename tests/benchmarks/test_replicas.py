"""Replicas die and Redis is stopped: only calls on a killed replica fail; `make replicas` plays more of it."""

import pytest

from tests.benchmarks.shortest import MOST_SECONDS, play

pytestmark = pytest.mark.long


def test_only_what_was_in_flight_on_a_killed_replica_is_lost_and_the_ledger_has_the_rest() -> None:
    short = ("--stopped", "4", "--killing", "6", "--both", "4", "--every", "3", "--rate", "8")
    ended = play("replicas", *short, "--deadline", str(MOST_SECONDS))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "answers without exactly one entry in the ledger: 0" in ended.stdout
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in ended.stdout.splitlines() if "|" in line]
    phases = {row[0]: row[1:] for row in rows[2:]}
    assert int(phases["replicas killed"][4]) >= 1
    assert phases["Redis stopped"][2:] == ["0", "0", "0", "0"]
