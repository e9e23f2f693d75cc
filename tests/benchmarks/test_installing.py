"""A peer that cannot be had is told by its name and reason, and what was installed is not installed again."""

import json
from pathlib import Path

import pytest

from benchmarks.peers.installing import InstallError, Package

NPM = Package(installer="npm", name="@owner/gateway", program="run.js")


def test_each_package_has_a_folder_of_its_own_name() -> None:
    assert NPM.folder == "owner-gateway"


def test_what_cannot_be_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallError, match="@owner/gateway needs node and npm"):
        NPM.install(tmp_path / "home")


def test_an_installation_that_came_to_its_end_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".installed").touch()
    monkeypatch.setenv("PATH", "")
    NPM.install(tmp_path)


def test_a_file_alone_is_no_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run.js").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallError):
        NPM.install(tmp_path)


def test_the_installed_version_is_read_from_the_package(tmp_path: Path) -> None:
    package = tmp_path / "node_modules" / "@owner" / "gateway" / "package.json"
    package.parent.mkdir(parents=True)
    package.write_text(json.dumps({"version": "1.2.3"}))
    assert NPM.installed_version(tmp_path) == "1.2.3"
