"""What large bodies took goes back to the system, although smaller ones were kept behind them."""

import subprocess
import sys

import pytest

PROGRAM = """
import gc, sys
from pathlib import Path
from tidegate.core.process.heap_tuning import give_back_large_blocks

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

if sys.argv[1] == "tuned":
    give_back_large_blocks()
del sys.argv
bytearray(20_000_000)  # from here on glibc itself keeps blocks of this size
before, kept = resident(), []
for _ in range(20):
    bodies = [bytearray(b"x" * 5_000_000) for _ in range(4)]
    kept.append(bytearray(200_000))
    del bodies
    bodies = [bytearray(b"x" * 4_000_000) for _ in range(3)]
    kept.append(bytearray(200_000))
    del bodies
print(resident() - before - sum(map(len, kept)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_little_is_left_of_large_blocks() -> None:
    def left(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert left("tuned") < 10_000_000
