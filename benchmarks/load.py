"""Whole answers under load, by wrk."""

import re
import shutil
import subprocess
from pathlib import Path

import msgspec

from benchmarks.processes import OTHER_CORE, BenchmarkError

_SCRIPT = Path(__file__).with_name("calls.lua")
_SUMMARY = re.compile(r"SUMMARY (\{.*\})")


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where to call, as whom, and for which model."""

    url: str
    key: str
    model: str


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of wrk saw. `microseconds` is how long it took; `p50` and `p99` are in microseconds too."""

    requests: int
    microseconds: int
    p50: int
    p99: int
    errors: int

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.microseconds * 1e6


def require_wrk() -> None:
    """Raise BenchmarkError where wrk is not installed."""
    if shutil.which("wrk") is None or shutil.which("taskset") is None:
        raise BenchmarkError("The benchmark needs wrk and taskset; on Debian: apt install wrk util-linux")


def run(target: Target, *, connections: int, seconds: int, kind: str, name: str) -> Load:
    """Call for `seconds` over `connections`; `kind` is `miss` or `hit`, `name` makes this run's bodies its own.

    Raises BenchmarkError when any call failed.
    """
    command = ["taskset", "-c", str(OTHER_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    command += ["-s", str(_SCRIPT), target.url, "--", target.key, target.model, kind, name]
    output = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    found = _SUMMARY.search(output.stdout)
    if found is None:
        raise BenchmarkError(f"wrk said nothing about {target.url}: {output.stdout}{output.stderr}")
    load = msgspec.json.decode(found.group(1), type=Load)
    if load.errors:
        raise BenchmarkError(f"{load.errors} of {load.requests} calls to {target.url} failed")
    return load
