"""Every benchmark comes to an end: at its deadline at the latest, in an event loop, too. It leaves nothing behind."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop

from benchmarks import processes
from benchmarks.processes import OverdueError
from tests.benchmarks.shortest import MOST_SECONDS, ROOT, play

PROGRAMS = sorted(
    path.stem
    for path in (ROOT / "benchmarks").glob("*.py")
    if "parser.add_argument" in path.read_text()
    and path.stem not in ("hostile", "instant", "processes")  # parts of others
)
SHORTEST = {
    "crash": ("--kills", "1"),
    "chats": ("--chats", "10", "--turns", "2", "--kills", "1"),
    "jobs": ("--jobs", "6", "--kills", "1"),
}
"""The shortest form of those that have no test file of their own, and that are right or wrong rather than fast."""


async def for_ever() -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(asyncio.Event().wait())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_deadline_ends_an_event_loop_and_what_was_started(
    run: Callable[[Coroutine[Any, Any, None]], None], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    with (
        pytest.raises(OverdueError, match=r"was not done within 0\.5 s"),
        processes.ending_within(0.5),
        processes.running("sleeper", command, core=0, folder=tmp_path) as program,
    ):
        run(for_ever())
    assert not psutil.pid_exists(program.process.pid)


def test_sigterm_ends_it_too() -> None:
    with pytest.raises(OverdueError, match="was told to end"), processes.ending_within(60):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_benchmark_has_a_deadline(name: str) -> None:
    text = (ROOT / "benchmarks" / f"{name}.py").read_text()
    assert "add_deadline(parser" in text
    assert re.search(r"ending_within\((plan|options)\.deadline", text)


@pytest.mark.long
@pytest.mark.parametrize("name", SHORTEST)
def test_the_shortest_form_of_each_ends_well(name: str) -> None:
    ended = play(name, *SHORTEST[name], "--deadline", str(MOST_SECONDS))
    assert ended.returncode == 0, ended.stdout + ended.stderr
