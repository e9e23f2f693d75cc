"""Run Tidegate's command line; after SIGUSR1, count the function calls of the main thread into a file.

`python -P counted_gateway.py FILE serve --port 8080`. FILE holds two unsigned 64-bit numbers: calls of Python functions
(each time a coroutine goes on is one) and calls of C functions. Until the signal, nothing is counted and nothing costs.

After SIGUSR2 it writes FILE.functions: how often each Python function was called since the last time, as JSON.

It runs with the interpreter of any checkout, so it knows only the standard library and `python -m tidegate`.
"""

import json
import mmap
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType


def count_into(path: Path) -> None:
    """Count from the next SIGUSR1 on."""
    with path.open("r+b") as file:
        counts = memoryview(mmap.mmap(file.fileno(), 16)).cast("Q")
    called: Counter[CodeType] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            counts[0] += 1
            called[frame.f_code] += 1
        elif event == "c_call":
            counts[1] += 1

    def begin(_: int, __: FrameType | None) -> None:
        sys.setprofile(count)

    def tell(_: int, __: FrameType | None) -> None:
        sys.setprofile(None)
        told = path.with_name(f"{path.name}.told")
        told.write_text(json.dumps([(code.co_filename, code.co_qualname, number) for code, number in called.items()]))
        told.rename(path.with_name(f"{path.name}.functions"))
        called.clear()
        sys.setprofile(count)

    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, tell)


if __name__ == "__main__":
    count_into(Path(sys.argv[1]))
    sys.argv = ["tidegate", *sys.argv[2:]]
    runpy.run_module("tidegate", run_name="__main__", alter_sys=True)
