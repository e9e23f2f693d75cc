"""Installs the packages that a folder's `package-lock.json` names, once."""

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

OLDEST_NODE = 20


def install_node_packages(folder: Path) -> Path:
    """Install the packages where they are not yet, and return the folder; skip the test without Node.js."""
    npm = find_node()
    with (folder / "package-lock.json").open("rb") as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)  # several test processes may install at once
        _install(npm, folder)
    return folder


def _install(npm: str, folder: Path) -> None:
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".tidegate-lock"
    if not stamp.exists() or stamp.read_text() != lock:
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        stamp.write_text(lock)


def find_node() -> str:
    """Return npm's command; skip the test without a Node.js that is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node.js is not installed (node and npm are needed)")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node.js {version} is too old for the tests, {OLDEST_NODE} is the oldest that will do")
    return npm
