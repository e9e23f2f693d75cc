"""What importing the gateway costs, measured in an interpreter of its own."""

import subprocess
import sys

import msgspec

_PROBE = """
import json, sys, time
before = time.process_time()
import {module}
spent = time.process_time() - before
print(json.dumps({{"seconds": spent, "modules": sorted({{name.partition(".")[0] for name in sys.modules}})}}))
"""


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds` of CPU time spent, and the top-level packages loaded by then."""

    seconds: float
    modules: list[str]


def importing(module: str) -> Import:
    """Import `module` in a fresh interpreter. Raises CalledProcessError when that fails."""
    probe = [sys.executable, "-W", "ignore", "-c", _PROBE.format(module=module)]
    return msgspec.json.decode(subprocess.run(probe, check=True, capture_output=True).stdout, type=Import)


def cheapest(module: str, tries: int = 3) -> float:
    """CPU seconds of the cheapest of `tries` imports: what is above it is the machine's other work."""
    return min(importing(module).seconds for _ in range(tries))
