"""Packages of other gateways, each in a folder of its own."""

import json
import shutil
import subprocess
import venv
from pathlib import Path

import msgspec

from benchmarks.processes import BenchmarkError

MAX_SECONDS = 900.0
_WHOLE = ".installed"
"""Left in the folder when an installation has come to its end."""


class InstallError(BenchmarkError):
    """A peer cannot be had here. The others are compared without it."""


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A package by the name that pip or npm knows it under; `version` is empty for the newest."""

    installer: str
    name: str
    program: str
    """The file in the package's folder that is run."""
    extra: str = ""
    version: str = ""

    @property
    def folder(self) -> str:
        """Return the name of the folder that it is installed into."""
        return self.name.strip("@").replace("/", "-")

    def install(self, folder: Path) -> None:
        """Install it into `folder` where it is not there yet. Raises InstallError."""
        whole = folder / _WHOLE
        if whole.exists():
            return
        print(f"Installing {self.name} (once) ...", flush=True)
        if self.installer == "npm":
            self._install_by_npm(folder)
        else:
            self._install_by_pip(folder)
        if not (folder / self.program).exists():
            raise InstallError(f"{self.name} was installed without {self.program}")
        whole.touch()

    def installed_version(self, folder: Path) -> str:
        """Return the version in `folder`. Raises InstallError."""
        if self.installer == "npm":
            return str(json.loads((folder / "node_modules" / self.name / "package.json").read_text())["version"])
        code = f"from importlib.metadata import version; print(version({self.name!r}))"
        return _run([str(folder / "bin" / "python"), "-c", code], self.name).strip()

    def _install_by_pip(self, folder: Path) -> None:
        venv.create(folder, with_pip=True, clear=True)
        wanted = self.name + (f"[{self.extra}]" if self.extra else "") + (f"=={self.version}" if self.version else "")
        _run([str(folder / "bin" / "python"), "-m", "pip", "install", "-qq", wanted], self.name)

    def _install_by_npm(self, folder: Path) -> None:
        if shutil.which("npm") is None or shutil.which("node") is None:
            raise InstallError(f"{self.name} needs node and npm, which are not on PATH")
        folder.mkdir(parents=True, exist_ok=True)
        wanted = self.name + (f"@{self.version}" if self.version else "")
        _run(["npm", "install", "--silent", "--prefix", str(folder), wanted], self.name)


def _run(command: list[str], name: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=MAX_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise InstallError(f"{name} was not installed within {MAX_SECONDS:g} s") from error
    if done.returncode:
        raise InstallError(f"{name} cannot be installed: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout
