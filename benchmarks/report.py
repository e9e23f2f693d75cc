"""The words around the figures in RESULTS.md."""

import statistics
import sys
from datetime import UTC, datetime
from importlib.metadata import version

from benchmarks.cores import Cores
from benchmarks.instant import CHUNKS_PER_SECOND
from benchmarks.quiet_machine import QuietWatch

_OURS = ("tidegate", "uvicorn", "aiohttp", "uvloop", "redis", "asyncpg")
_DOCUMENT = """# Side by side

{date}, {cores} Medians of {rounds} rounds; in each, every contestant has a turn of {seconds:g} s. CPU is that of all
threads and children of the gateway, until it is quiet again. Compare CPU first, and rates within one run: the absolute
figures depend on the machine.

{notes}

Each miss has a different body, all hits the same. The upstream sends {pace:g} chunks a second in each stream.

{quietness}

Versions: {versions}.

Repeat it with `make bench`.

"""


def quietness(watch: QuietWatch, noise: float | None) -> str:
    """Return how quiet the machine was."""
    usual, most = statistics.median(watch.looks), max(watch.looks)
    told = f"Between the turns the cores were {usual:.1%} busy, {most:.1%} at most; the host took {watch.stolen():.1%}."
    return told if noise is None else f"{told}\nTwo turns of Tidegate differed by {noise:.1%} of CPU at most."


def document(cores: Cores, rounds: int, seconds: float, notes: str, quietness: str) -> str:
    """Return what stands above the tables."""
    versions = [f"Python {sys.version.split()[0]}", *(f"{name} {version(name)}" for name in _OURS)]
    return _DOCUMENT.format(
        date=datetime.now(UTC).date(),
        cores=cores.described(),
        rounds=rounds,
        seconds=seconds,
        notes=notes,
        pace=CHUNKS_PER_SECOND,
        quietness=quietness,
        versions=", ".join(versions),
    )
