"""A written line survives its process and is replayed by one process at a time; a full disk causes no crash."""

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from tidegate.metering.ledger.spool import Spool, SpoolFailed, SpoolFile, count_lines


def replayed_lines(spool: Spool) -> list[bytes]:
    """Return the lines of all unlocked files, and remove them."""
    lines = []
    for file in spool.claim_files():
        with file:
            lines += [line for batch in file.batches(2) for line in batch]
            file.remove()
    return lines


def test_lines_come_back_once_the_file_is_sealed(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "made" / "when needed")
    for number in range(5):
        spool.write(b'{"id":%d}' % number)

    assert replayed_lines(spool) == []  # locked by its writer
    assert count_lines(tmp_path / "made" / "when needed") == 5
    spool.close_file()
    assert replayed_lines(spool) == [b'{"id":%d}' % number for number in range(5)]
    assert not spool.has_files()


def test_after_sealing_the_next_line_opens_another_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.write(b"first")
    spool.close_file()
    spool.write(b"second")

    assert replayed_lines(spool) == [b"first"]
    spool.close_file()
    assert replayed_lines(spool) == [b"second"]


def test_a_file_being_replayed_is_nobody_elses(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.write(b"line")
    spool.close_file()
    [path] = tmp_path.iterdir()

    [mine] = spool.claim_files()
    assert SpoolFile.claim(path) is None
    with mine:  # closed without removing it, as when PostgreSQL goes away
        pass
    assert replayed_lines(Spool(tmp_path)) == [b"line"]
    assert SpoolFile.claim(path) is None


WRITER = """
import sys
from pathlib import Path
from tidegate.metering.ledger.spool import Spool
spool = Spool(Path(sys.argv[1]))
for number in range(10**6):
    spool.write(b"%d" % number)
    print(number, flush=True)
"""


def test_a_process_killed_at_any_moment_loses_no_line_that_was_written(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(500):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        results = 500 + len(process.stdout.read().splitlines())

    lines = replayed_lines(Spool(tmp_path))

    assert lines == [b"%d" % number for number in range(len(lines))]
    assert results <= len(lines) <= results + 1


def test_a_torn_last_line_is_kept_out_and_logged(tmp_path: Path) -> None:
    (tmp_path / "dead.jsonl").write_bytes(b'{"id":1}\n{"id"')

    with structlog.testing.capture_logs() as logs:
        assert replayed_lines(Spool(tmp_path)) == [b'{"id":1}']

    assert [(line["log_level"], line["line"]) for line in logs] == [("error", '{"id"')]


def test_the_spool_holds_so_much_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "dead.jsonl").write_bytes(b"x" * 50)
    spool = Spool(tmp_path, max_bytes=70)
    spool.write(b"9 bytes ..")

    with pytest.raises(SpoolFailed, match="70 bytes"):
        spool.write(b"y" * 9)

    spool.write(b"z" * 8)


def test_a_folder_that_cannot_be_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SpoolFailed, match=os.strerror(errno.ENOTDIR)):
        Spool(tmp_path / "file" / "folder").write(b"line")


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from tidegate.metering.ledger.spool import Spool, SpoolFailed
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
spool = Spool(Path(sys.argv[1]))
spool.write(b"first")
resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
for line in (b"longer than what is left", b"another"):
    try:
        spool.write(line)
    except SpoolFailed as error:
        print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
spool.write(b"last")
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="the system limits no file's size")
def test_a_line_that_fits_only_by_half_leaves_no_half(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True, timeout=30
    )

    assert done.stdout.count("full") == 2
    assert replayed_lines(Spool(tmp_path)) == [b"first", b"last"]


async def test_what_was_written_is_synced_though_the_file_is_sealed_meanwhile(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    await spool.sync()
    spool.write(b"line")
    assert spool.has_unsynced_lines

    await spool.sync()

    assert not spool.has_unsynced_lines
    spool.close_file()
    await spool.sync()
    assert replayed_lines(spool) == [b"line"]


def test_a_folder_that_cannot_be_written_is_warned_of_before_it_is_needed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with structlog.testing.capture_logs() as logs:
        Spool(tmp_path / "file" / "spool").warn_if_unwritable()
    (line,) = logs
    assert (line["log_level"], line["reason"]) == ("error", "Not a directory")
    assert "data_dir" in line["remedy"]


def test_a_folder_that_can_be_written_is_left_empty(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        Spool(tmp_path / "spool").warn_if_unwritable()
    assert logs == []
    assert list((tmp_path / "spool").iterdir()) == []
