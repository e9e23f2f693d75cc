"""A replica that is frozen at the last byte of an answer leaves nothing unsettled; `make frozen` takes ten minutes."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.frozen import Books, Unsettled
from tests.free_ports import first_of_free_ports

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
PLAYED = "conversation"
"""It has all that a call may leave behind; each kind starts two gateways."""
MOST_SECONDS = 280
"""On a machine with much other work; alone it takes about a minute."""


def test_nothing_is_unsettled_and_nothing_lost() -> None:
    port = first_of_free_ports(2)
    command = [sys.executable, "-m", "benchmarks.frozen", "--minutes", "0.02", "--port", str(port)]
    command += ["--kind", PLAYED, "--deadline", str(MOST_SECONDS - 40)]  # then it ends what it has started
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=MOST_SECONDS, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ", 0 complaints" in ended.stdout, ended.stdout
    assert ended.stdout.count(f"{PLAYED}: ") == 2, ended.stdout


@pytest.mark.parametrize("left", ["holds", "slots", "flights", "leases", "transactions"])
def test_anything_but_an_entry_on_its_way_is_unsettled(left: str) -> None:
    nothing = {"holds": 0, "slots": 0, "flights": 0, "leases": 0, "transactions": 0}
    assert Unsettled(**nothing, in_redis=3).is_settled
    assert not Unsettled(**{**nothing, left: 1}, in_redis=0).is_settled


def test_an_entry_that_is_missing_or_charged_as_lost_is_a_difference() -> None:
    whole = Books(entries=2, found=2, lost=0)
    assert whole not in (
        Books(entries=1, found=1, lost=0),
        Books(entries=2, found=2, lost=1),
        Books(entries=3, found=2, lost=0),
    )
