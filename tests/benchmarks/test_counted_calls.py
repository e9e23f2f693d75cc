"""A call passes few functions and few modules, with all that observes it on: each costs time in every call.

The bounds are a little above what is counted. Who makes a call shorter lowers them.
"""

import sys
from pathlib import Path

import psutil
import pytest

from benchmarks import checkouts, contestants, counting, processes
from benchmarks.checkouts import Checkout
from benchmarks.counting import Passed
from benchmarks.instant import CHUNKS
from tests.free_ports import first_of_free_ports

ROOT = Path(__file__).parents[2]
CORES = len(psutil.Process().cpu_affinity()) if sys.platform == "linux" else 0
MOST_SECONDS = 240.0
"""On a machine with much other work; alone it takes less than 30 s."""
CALLS = 30

MOST_FUNCTIONS = {"miss": 490, "hit": 150}
"""Calls of Python functions that one call of a caller makes."""
MOST_MODULES = {"miss": 112, "hit": 68}

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.skipif(CORES < 2, reason="it keeps the gateway on one core and all else on another"),
]


@pytest.fixture(scope="module")
def found() -> dict[str, Passed]:
    """What a miss and a hit pass in a gateway with the default settings."""
    port = first_of_free_ports()
    counted = Checkout(name="counted", folder=ROOT)
    with (
        processes.ending_within(MOST_SECONDS),
        contestants.upstream(port, "--chunks", str(CHUNKS)),
        checkouts.serving([counted], f"http://127.0.0.1:{port}/v1", port + 1) as (side,),
    ):
        return counting.passed(side.program, side.target, side.counts, CALLS)


@pytest.mark.parametrize("kind", ["miss", "hit"])
def test_a_call_runs_few_functions(found: dict[str, Passed], kind: str) -> None:
    assert 0 < found[kind].functions <= MOST_FUNCTIONS[kind]


@pytest.mark.parametrize("kind", ["miss", "hit"])
def test_a_call_passes_few_modules(found: dict[str, Passed], kind: str) -> None:
    modules = sorted(found[kind].modules)
    assert 0 < len(modules) <= MOST_MODULES[kind], modules
