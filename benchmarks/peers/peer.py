"""What a benchmark knows of another gateway."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.cores import Cores
from benchmarks.peers.installing import Package
from benchmarks.processes import Program
from benchmarks.target import Target


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A contestant that has given its first answer, and what that took."""

    program: Program
    target: Target
    start_seconds: float
    idle_bytes: int
    stores: Path | None = None
    """Under this folder its stores work, if it has any of its own."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where a peer runs: `installed` is its package's folder, and it may write into `folder`."""

    installed: Path
    folder: Path
    cores: Cores
    upstream_port: int
    port: int
    redis_port: int


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Another gateway; `settings` says how it is run, for readers of the results."""

    name: str
    package: Package
    settings: str
    serving: Callable[[Site], contextlib.AbstractContextManager[Running]]
    kinds: tuple[str, ...] = ("miss",)
    """Which calls are measured: `miss` and `hit`."""
    streams: int = 200
    """How many it can keep at the upstream's pace; 0: none are measured."""
