"""A project beside a hostile one has no errors; `make neighbours` plays all ways, and judges the delays, too."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.hostile import WAYS
from tests.free_ports import first_of_free_ports

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 240
"""On a machine with much other work; alone it takes about 25 s."""
WAY = "429 without a wait"


def test_beside_calls_that_are_refused_there_are_no_errors() -> None:
    command = [sys.executable, "-m", "benchmarks.neighbours", "--seconds", "3", "--only", WAY]
    ended = subprocess.run(
        [*command, "--port", str(first_of_free_ports())],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    (row,) = [line for line in ended.stdout.splitlines() if line.startswith(f"| {WAY} |")]
    assert row.split("|")[3].strip() == "0", ended.stdout + ended.stderr


def test_each_way_says_what_it_does() -> None:
    assert all((way.__doc__ or "").endswith(".") for way in WAYS.values())
