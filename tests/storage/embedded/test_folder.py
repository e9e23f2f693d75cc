"""A folder that others could change is refused with a remedy, and no folder is changed that is not Tidegate's own."""

import os
import stat
from pathlib import Path

import pytest

from tests.storage.embedded.use import STRANGER, as_stranger
from tidegate.storage.embedded import EmbeddedError
from tidegate.storage.embedded.folder import (
    MAX_SOCKET_PATH,
    claim_data_folder,
    claim_store_folder,
    link,
    private_folder,
    replace_file,
    server_environment,
    short_enough,
)

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_data_folder_is_for_its_user_alone(tmp_path: Path) -> None:
    claim_data_folder(tmp_path / "new")
    assert mode(tmp_path / "new") == 0o700


@pytest.mark.parametrize(
    ("before", "inside", "after"),
    [
        (0o755, None, 0o755),
        (0o775, None, 0o755),
        (0o775, "users.lock", 0o755),
        (0o775, "letters.txt", 0o775),
        (0o2770, "users.lock", 0o2750),
        (0o500, "letters.txt", 0o500),
    ],
)
def test_only_a_data_folder_of_its_own_is_changed(tmp_path: Path, before: int, inside: str | None, after: int) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    if inside:
        (folder / inside).write_text("")
    folder.chmod(before)
    claim_data_folder(folder)
    assert mode(folder) == after


@pytest.mark.parametrize("inside", [None, "users.lock"])
@pytest.mark.parametrize("before", [0o777, 0o1777, 0o702])
def test_a_data_folder_that_all_may_write_is_refused_as_it_is(tmp_path: Path, before: int, inside: str | None) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    if inside:
        (folder / inside).write_text("")
    folder.chmod(before)
    with pytest.raises(EmbeddedError, match="Nothing was started"):
        claim_data_folder(folder)
    assert mode(folder) == before


@ROOT
def test_another_users_folders_are_refused(open_folder: Path) -> None:
    open_folder.chmod(0o755)
    theirs = open_folder / "theirs"
    theirs.mkdir()
    os.chown(theirs, STRANGER - 1, -1)
    for claim in (claim_data_folder, claim_store_folder):
        with as_stranger(), pytest.raises(EmbeddedError, match="belongs to another user"):
            claim(theirs)
    with as_stranger():
        claim_data_folder(open_folder)  # root's is as good as one's own


def test_a_store_folder_is_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis").chmod(0o755)
    claim_store_folder(tmp_path / "redis")
    assert mode(tmp_path / "redis") == 0o700


def test_a_long_path_gets_a_short_one_that_leads_to_it(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 30) / "store.sock"
    short = short_enough(path)
    assert len(os.fsencode(short)) <= MAX_SOCKET_PATH
    for _ in range(2):
        link(short, path)
        assert short.readlink() == path
        assert mode(short.parent) == 0o700
    short.unlink()
    short.parent.rmdir()


def test_a_short_path_stays_as_it_is(tmp_path: Path) -> None:
    assert short_enough(Path("/data/store.sock")) == Path("/data/store.sock")
    link(tmp_path / "store.sock", tmp_path / "store.sock")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "open", "file"])
def test_what_somebody_put_at_a_private_folders_place_is_refused(tmp_path: Path, kind: str) -> None:
    place, target = tmp_path / "private", tmp_path / "target"
    target.mkdir()
    if kind == "link":
        place.symlink_to(target)
    elif kind == "open":
        place.mkdir()
        place.chmod(0o755)
    else:
        place.write_text("")
    with pytest.raises(EmbeddedError, match="Nothing was started"):
        private_folder(place, 0o700)
    assert list(target.iterdir()) == []


@ROOT
def test_a_private_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    os.chown(tmp_path / "private", STRANGER, STRANGER)
    with pytest.raises(EmbeddedError, match="another user"):
        private_folder(tmp_path / "private", 0o700)


def test_a_file_is_replaced_and_a_link_at_its_place_not_followed(tmp_path: Path) -> None:
    victim, place = tmp_path / "victim", tmp_path / "pg_hba.conf"
    victim.write_text("precious")
    for target in (place, tmp_path / "pg_hba.conf.new"):
        target.symlink_to(victim)
    replace_file(place, "rules", owner=(os.getuid(), os.getgid()))
    assert (place.read_text(), mode(place), victim.read_text()) == ("rules", 0o600, "precious")
    assert not place.is_symlink()


def test_a_server_is_given_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("TIDEGATE_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("LANG", "C.UTF-8")
    assert server_environment()["LANG"] == "C.UTF-8"
    assert not [name for name in server_environment() if name.startswith(("OPENAI", "TIDEGATE"))]
