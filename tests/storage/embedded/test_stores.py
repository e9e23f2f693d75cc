"""The embedded stores keep their data, are shared by their users, and survive the death of any user."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.storage.embedded.use import count, note
from tidegate.storage import embedded
from tidegate.storage.embedded import EmbeddedError, StoreUrls

HOLD = """
import sys
from pathlib import Path
from tidegate.storage import embedded
with embedded.running(Path(sys.argv[1])) as stores:
    print(stores.redis_url, flush=True)
    sys.stdin.read()
"""


def pids(folder: Path) -> list[int]:
    files = [folder / "redis" / "redis.pid", folder / "postgres" / "postmaster.pid"]
    return [int(file.read_text().split()[0]) for file in files if file.exists()]


def hold(folder: Path) -> "subprocess.Popen[str]":
    """Start another process that uses the stores until its input ends."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline().startswith("unix://")
    return holder


def test_data_is_kept_between_runs_and_nothing_runs_in_between(open_folder: Path) -> None:
    for visit in (1, 2):
        with embedded.running(open_folder) as stores:
            assert (count(stores), note(stores)) == (visit, visit)
        assert pids(open_folder) == []


def test_two_folders_run_side_by_side(open_folder: Path, own_stores: StoreUrls) -> None:
    with embedded.running(open_folder) as stores:
        assert stores.database_url != own_stores.database_url
        assert count(stores) == 1
        assert note(stores) == 1


def test_the_last_user_to_leave_stops_them(open_folder: Path) -> None:
    holder = hold(open_folder)
    running = pids(open_folder)
    with embedded.running(open_folder) as stores:
        assert pids(open_folder) == running, "the second user found them running"
        count(stores)
    assert pids(open_folder) == running, "the first user still needs them"
    holder.communicate("")
    assert pids(open_folder) == []


def test_a_killed_user_leaves_servers_that_the_next_one_takes_over(open_folder: Path) -> None:
    holder = hold(open_folder)
    running = pids(open_folder)
    holder.kill()
    holder.communicate()
    with embedded.running(open_folder) as stores:
        assert pids(open_folder) == running
        assert (count(stores), note(stores)) == (1, 1)
    assert pids(open_folder) == []


def test_killed_servers_start_again_with_their_data(open_folder: Path) -> None:
    holder = hold(open_folder)
    with embedded.running(open_folder) as stores:
        assert note(stores) == 1
    for pid in [*pids(open_folder), holder.pid]:
        os.kill(pid, signal.SIGKILL)
    holder.communicate()
    with embedded.running(open_folder) as stores:
        assert note(stores) == 2
        assert count(stores) == 1


def test_a_folder_too_deep_for_a_socket_works_too(open_folder: Path) -> None:
    with embedded.running(open_folder / ("deep" * 30)) as stores:
        assert (count(stores), note(stores)) == (1, 1)


def test_a_folder_that_cannot_be_made_is_named(open_folder: Path) -> None:
    (open_folder / "file").write_text("")
    with pytest.raises(EmbeddedError, match="cannot be used"), embedded.running(open_folder / "file"):
        pass
