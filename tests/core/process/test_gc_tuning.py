"""After its start, a process excludes its startup objects from garbage collection."""

import subprocess
import sys

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
