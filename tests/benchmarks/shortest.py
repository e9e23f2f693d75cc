"""Plays a benchmark in its shortest form, by its command line."""

import subprocess
import sys
from pathlib import Path

from tests.free_ports import first_of_free_ports

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 300.0
"""On a machine with much other work; alone each of them takes less than 40 s."""


def play(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end. Raises TimeoutExpired if even its own deadline does not end it."""
    port = str(first_of_free_ports())
    command = [sys.executable, "-m", f"benchmarks.{name}", "--port", port, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=2 * MOST_SECONDS, check=False)
