"""What the image adds to its base stays light, and the gateway starts from what is left of the packages."""

import compileall
import json
import os
import subprocess
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

import pytest

from deploy.image.bill_of_materials import bill
from deploy.image.trim import trim, without_description, without_symbols
from tests.deploy.runtime_set import ROOT, copy_packages, locked

MOST_BYTES = 55_750_000
"""The goals are 180 MB in all on a slim base of 124.2, and 120 MB on one without a shell of 57."""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The locked packages as the image has them, without bytecode."""
    folder = tmp_path_factory.mktemp("packages")
    copy_packages(folder)
    assert trim(folder) > 20_000_000
    return folder


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tidegate's own code."""
    folder = tmp_path_factory.mktemp("code")
    files = subprocess.run(["git", "ls-files", "tidegate"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in files.stdout.split():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def run(packages: Path, code: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these packages alone."""
    environment = {"PYTHONPATH": f"{code}:{packages}", "PATH": os.environ["PATH"], "TYPER_USE_RICH": "0"}
    command = [sys.executable, "-S", *arguments]
    return subprocess.run(command, env=environment, cwd=code, capture_output=True, text=True, check=False)


def test_every_module_of_the_gateway_loads_from_the_trimmed_packages(
    packages: Path, code: Path, tmp_path: Path
) -> None:
    script = str(ROOT / "deploy" / "image" / "bytecode.py")
    loaded = run(packages, code, script, str(tmp_path / "target"), str(tmp_path / "base"))
    assert loaded.returncode == 0, loaded.stderr
    collected = [path.name for path in (tmp_path / "target").rglob("*.pyc")]
    assert len(collected) > 150
    assert any(name.startswith("base_events.") for name in collected), "asyncio is in the standard library"

    base = tmp_path / "target"  # a base that has it all
    again = run(packages, code, script, str(tmp_path / "second"), str(base))
    assert "Collected 0 files" in again.stdout
    told = run(packages, code, "-m", "tidegate", "keys", "create", "--help")
    assert "--if-none" in told.stdout, told.stderr
    assert run(packages, code, "-m", "tidegate", "keys", "create", "--no-such").returncode == 2


def test_what_we_add_stays_within_its_weight(packages: Path, code: Path) -> None:
    for folder in (packages, code):
        assert compileall.compile_dir(folder, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    added = size(packages) + size(code)
    assert added <= MOST_BYTES, f"{added / 1e6:.1f} MB, {MOST_BYTES / 1e6:.1f} are allowed"


def test_a_library_loses_nothing_that_the_loader_reads() -> None:
    assert without_symbols(b"#!/bin/sh\n") == b"#!/bin/sh\n"
    assert without_symbols(b"\x7fELF\x01\x01 of 32 bits") == b"\x7fELF\x01\x01 of 32 bits"


def test_metadata_keeps_its_fields_and_loses_its_description() -> None:
    fields = b"Metadata-Version: 2.4\nName: tide\nLicense-Expression: MIT\n"
    assert without_description(fields + b"\n# Tide\n\nA long page.\n") == fields + b"\n"
    assert without_description(fields) == fields + b"\n"
    assert without_description(fields + b"\n") == fields + b"\n"


def test_the_bill_lists_each_package(packages: Path) -> None:
    document = json.loads(json.dumps(bill(packages, "1.2.3")))
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert document["metadata"]["component"]["purl"] == "pkg:pypi/tidegate@1.2.3"
    listed = {(part["name"].lower(), part["version"]) for part in document["components"]}
    assert listed == {(part.name.lower(), part.version) for part in locked() if part.name.lower() != "pygments"}
    assert [part["name"] for part in document["components"] if "licenses" not in part] == []
    assert len({part["bom-ref"] for part in document["components"]}) == len(listed)
