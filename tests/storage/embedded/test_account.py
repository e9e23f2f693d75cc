"""PostgreSQL's programs run as an account that can reach the data and the programs, and nothing is opened for it."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.storage.embedded.use import STRANGER, as_stranger
from tidegate.storage.embedded import EmbeddedError
from tidegate.storage.embedded.account import (
    ServerAccount,
    account_for,
    own_name,
    place_of_copy,
    remove_copy,
    wheels_programs,
)

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs programs as another account")


@ROOT
def test_roots_account_is_the_owner_of_the_data_else_of_the_folder_else_one_that_exists(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    assert account_for(data).uid != 0
    os.chown(tmp_path, STRANGER, STRANGER)
    assert account_for(data) == ServerAccount(STRANGER, STRANGER)
    data.mkdir()
    os.chown(data, STRANGER - 1, STRANGER - 2)
    assert account_for(data) == ServerAccount(STRANGER - 1, STRANGER - 2)


@ROOT
def test_any_other_user_is_its_own_account(open_folder: Path) -> None:
    with as_stranger():
        assert account_for(open_folder) == ServerAccount(STRANGER, STRANGER)
        assert account_for(open_folder).is_own


def test_a_program_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"initdb failed: .*no-such-option"):
        account_for(tmp_path).run(wheels_programs() / "bin", ["initdb", "--no-such-option"], tmp_path)


@ROOT
def test_programs_that_the_account_cannot_reach_are_copied_and_removed(tmp_path: Path) -> None:
    closed, data = tmp_path / "closed", tmp_path / "data"
    closed.mkdir(mode=0o700)
    data.mkdir()
    package = wheels_programs().parent
    shutil.copytree(package, closed / package.name, ignore=shutil.ignore_patterns("pginstall", "include"))
    shutil.copytree(package.with_name(f"{package.name}.libs"), closed / f"{package.name}.libs")
    account, copy = account_for(data), place_of_copy(data)
    for _ in range(2):
        programs = account.reachable(closed / package.name / wheels_programs().name, copy)
        assert programs.is_relative_to(copy)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o711
    account.take(data)
    account.run(programs, ["initdb", "-U", "postgres", "--no-sync", "-D", "{data}"], data)
    assert (data / "PG_VERSION").exists()
    remove_copy(data)
    assert not copy.exists()


def test_programs_within_reach_are_used_where_they_are(tmp_path: Path) -> None:
    assert account_for(tmp_path).reachable(wheels_programs(), tmp_path / "copy") == wheels_programs() / "bin"
    remove_copy(tmp_path)
    assert not (tmp_path / "copy").exists()


@ROOT
def test_an_account_without_a_name_is_told_so() -> None:
    assert own_name() == "root"
    os.seteuid(4_000_000)
    try:
        with pytest.raises(EmbeddedError, match="has no name"):
            own_name()
    finally:
        os.seteuid(0)
