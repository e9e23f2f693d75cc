"""After its start, a process excludes its startup objects from garbage collection."""

import gc
import subprocess
import sys

import pytest

from tidegate.core.process.gc_tuning import paused_collector

SCRIPT = """
import gc
import tidegate.app
from tidegate.core.process.gc_tuning import freeze_startup_objects

before = len(gc.get_objects())
freeze_startup_objects()
print(before, len(gc.get_objects()), gc.get_freeze_count())
"""


def test_the_collector_looks_no_more_at_what_was_there() -> None:
    output = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    before, after, frozen = map(int, output.split())
    assert before > 10_000
    assert after < 1000
    assert frozen > 10_000


@pytest.mark.parametrize("enabled", [True, False])
def test_a_paused_collector_is_as_it_was_afterwards(enabled: bool) -> None:
    was_enabled = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with paused_collector():
            assert not gc.isenabled()
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()
