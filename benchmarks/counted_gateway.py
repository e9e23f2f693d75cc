"""Run Tidegate's command line; after SIGUSR1, count the function calls of the main thread into a file.

`python -P counted_gateway.py FILE serve --port 8080`. FILE holds two unsigned 64-bit numbers: calls of Python functions
(each time a coroutine goes on is one) and calls of C functions. Until the signal, nothing is counted and nothing costs.

It runs with the interpreter of any checkout, so it knows only the standard library and `python -m tidegate`.
"""

import mmap
import runpy
import signal
import sys
from pathlib import Path
from types import FrameType


def count_into(path: Path) -> None:
    """Count from the next SIGUSR1 on."""
    with path.open("r+b") as file:
        counts = memoryview(mmap.mmap(file.fileno(), 16)).cast("Q")

    def count(_: FrameType, event: str, __: object) -> None:
        if event == "call":
            counts[0] += 1
        elif event == "c_call":
            counts[1] += 1

    def begin(_: int, __: FrameType | None) -> None:
        sys.setprofile(count)

    signal.signal(signal.SIGUSR1, begin)


if __name__ == "__main__":
    count_into(Path(sys.argv[1]))
    sys.argv = ["tidegate", *sys.argv[2:]]
    runpy.run_module("tidegate", run_name="__main__", alter_sys=True)
