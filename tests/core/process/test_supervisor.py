"""A worker is replaced before it goes, a dead or hung one is started again, and a signal ends them all."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest

from tests.eventually import PATIENCE_SECONDS, wait_until
from tidegate.core.process.supervisor import READY, WORN_OUT, Supervisor, WorkerProcess

_SPAWN = multiprocessing.get_context("spawn")


def work(folder: str, connection: Connection) -> None:
    """Serve as a worker does, show its state in a file, and follow files that tell it what to do."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    mine = Path(folder) / str(os.getpid())
    if (Path(folder) / "broken").exists():
        raise SystemExit(3)
    mine.write_text("ready")
    connection.send(READY)
    while not ended.wait(0.01):
        if connection.poll():
            connection.send(connection.recv())
        if mine.with_suffix(".hang").exists():
            threading.Event().wait()
        if mine.with_suffix(".wear").exists():
            mine.with_suffix(".wear").unlink()
            connection.send(WORN_OUT)
    living = [path.name for path in Path(folder).iterdir() if path.suffix == "" and path.read_text() == "ready"]
    (Path(folder) / f"{os.getpid()}.saw").write_text(" ".join(living))
    mine.write_text("ended")


class Team:
    """A supervisor in a thread of the test, with signals sent as bytes to its socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ready(self) -> set[int]:
        """Return the processes that serve."""
        paths = [path for path in self.folder.iterdir() if path.name.isdigit()]
        return {int(path.name) for path in paths if path.read_text() == "ready"}

    async def until(self, count: int, *, without: frozenset[int] | set[int] = frozenset()) -> set[int]:
        """Wait until this many serve, none of them `without`."""
        await wait_until(lambda: len(self.ready()) == count and not self.ready() & without)
        return self.ready()


def start_in(folder: Path) -> WorkerProcess:
    mine, its = _SPAWN.Pipe()
    process = _SPAWN.Process(target=work, args=(str(folder), its))
    process.start()
    its.close()
    return WorkerProcess(process, mine)


def supervise(folder: str) -> None:
    """Run a supervisor of two workers; the exit code is its own."""
    team = Supervisor(lambda: start_in(Path(folder)), count=2, end_seconds=10.0, ask_seconds=0.5)
    raise SystemExit(team.run())


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[multiprocessing.process.BaseProcess]:
    process = _SPAWN.Process(target=supervise, args=(str(tmp_path),))
    process.start()
    yield process
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid or 0, signal.SIGTERM)
    process.join(PATIENCE_SECONDS)
    process.kill()


async def test_a_worn_out_worker_goes_when_its_successor_is_ready(
    supervisor: multiprocessing.process.BaseProcess, tmp_path: Path
) -> None:
    team = Team(tmp_path)
    first = min(await team.until(2))
    (tmp_path / f"{first}.wear").touch()
    await team.until(2, without={first})
    saw = (tmp_path / f"{first}.saw").read_text().split()
    assert len(saw) == 3, "the successor was ready before it was told to end"
    assert supervisor.is_alive()


async def test_a_dead_worker_is_started_again(supervisor: multiprocessing.process.BaseProcess, tmp_path: Path) -> None:
    team = Team(tmp_path)
    first = min(await team.until(2))
    os.kill(first, signal.SIGKILL)
    (tmp_path / str(first)).unlink()
    assert first not in await team.until(2)
    assert supervisor.is_alive()


async def test_a_worker_that_hangs_is_killed_and_started_again(
    supervisor: multiprocessing.process.BaseProcess, tmp_path: Path
) -> None:
    team = Team(tmp_path)
    first, other = sorted(await team.until(2))
    (tmp_path / f"{first}.hang").touch()
    await wait_until(lambda: not psutil.pid_exists(first))
    (tmp_path / str(first)).unlink()
    assert other in await team.until(2), "the one that answers stays"
    assert supervisor.is_alive()


async def test_a_worker_that_hangs_while_it_ends_is_killed_too(
    supervisor: multiprocessing.process.BaseProcess, tmp_path: Path
) -> None:
    team = Team(tmp_path)
    first = min(await team.until(2))
    (tmp_path / f"{first}.hang").touch()
    os.kill(supervisor.pid or 0, signal.SIGHUP)
    await wait_until(lambda: not psutil.pid_exists(first))
    (tmp_path / str(first)).unlink()
    await team.until(2)
    assert supervisor.is_alive()


async def test_a_supervisor_that_was_stopped_itself_blames_no_worker(
    supervisor: multiprocessing.process.BaseProcess, tmp_path: Path
) -> None:
    team = Team(tmp_path)
    before = await team.until(2)
    for pid in (supervisor.pid or 0, *before):
        os.kill(pid, signal.SIGSTOP)
    await asyncio.to_thread(threading.Event().wait, 8 * 0.5)  # longer than a worker may be silent
    for pid in (supervisor.pid or 0, *before):
        os.kill(pid, signal.SIGCONT)
    os.kill(supervisor.pid or 0, signal.SIGHUP)
    await team.until(2, without=before)
    assert all((tmp_path / str(pid)).read_text() == "ended" for pid in before), "told to end, not killed"


async def test_a_hang_up_replaces_all_one_by_one(
    supervisor: multiprocessing.process.BaseProcess, tmp_path: Path
) -> None:
    team = Team(tmp_path)
    before = await team.until(2)
    os.kill(supervisor.pid or 0, signal.SIGHUP)
    await team.until(2, without=before)
    assert all(len((tmp_path / f"{pid}.saw").read_text().split()) == 3 for pid in before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_all(
    supervisor: multiprocessing.process.BaseProcess, tmp_path: Path, number: signal.Signals
) -> None:
    await Team(tmp_path).until(2)
    os.kill(supervisor.pid or 0, number)
    supervisor.join(PATIENCE_SECONDS)
    assert supervisor.exitcode == 0
    assert Team(tmp_path).ready() == set()


def test_where_no_worker_can_start_it_ends_too(tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    process = _SPAWN.Process(target=supervise, args=(str(tmp_path),))
    process.start()
    process.join(PATIENCE_SECONDS)
    assert process.exitcode == 1
