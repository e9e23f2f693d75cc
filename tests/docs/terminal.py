"""A terminal in which the commands of one document run, one after the other, as a reader would type them."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from typer.testing import CliRunner

from tests.eventually import PATIENCE_SECONDS
from tests.harness import free_port
from tidegate.cli.application import application

_SERVERS = ("run", "serve", "simulate")
_ADDRESS = re.compile(r"(127\.0\.0\.1:)(\d{4,5})|(--port )(\d{4,5})")
_SECRETS = {"sk-tg-…": r"sk-tg-[A-Za-z0-9]{20,}", "key_…": r"key_[0-9a-f]{32}"}
"""What a document prints in place of a secret or an id, and how the real one looks."""


class Terminal:
    """Runs commands in one folder; servers keep running until it is closed.

    Every port of the document is replaced by a free one, `…` in a key by the key that was printed last.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], ports: dict[str, str] | None = None) -> None:
        self.folder = folder
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, **environment}
        self._ports = dict(ports or {})
        self._printed: dict[str, str] = {}
        self._servers: list[subprocess.Popen[bytes]] = []
        self._cli = CliRunner()

    def note(self, output: str) -> None:
        """Remember the last key and id that `output` has."""
        for placeholder, pattern in _SECRETS.items():
            if found := re.findall(pattern, output):
                self._printed[placeholder] = found[-1]

    def real(self, text: str) -> str:
        """Return a document's text with the ports, keys and ids of this run."""
        for placeholder, value in self._printed.items():
            text = text.replace(placeholder, value)
        return _ADDRESS.sub(lambda found: (found[1] or found[3]) + self._port(found[2] or found[4]), text)

    def run(self, command: str) -> str:
        """Run one command and return what it printed; fail where its exit code is not 0."""
        command = self.real(command)
        words = shlex.split(os.path.expandvars(command) if command.startswith("export ") else command, comments=True)
        if words[0] == "export":
            for word in words[1:]:
                name, _, value = word.partition("=")
                self.environment[name] = value
            return ""
        if words[0] == "tidegate" and words[1] in _SERVERS:
            return self._start(words[1:])
        if words[0] == "tidegate" and not set(words) & {"|", ">"}:
            output = self._tidegate(words[1:])
        else:
            output = self._bash(command)
        self.note(output)
        return output

    def close(self) -> None:
        """Stop the servers."""
        for server in reversed(self._servers):
            server.send_signal(signal.SIGINT)
        for server in self._servers:
            server.communicate(timeout=PATIENCE_SECONDS)

    def _port(self, documented: str) -> str:
        return self._ports.setdefault(documented, str(free_port()))

    def _tidegate(self, arguments: list[str]) -> str:
        """Run a command of Tidegate in this process: starting Python for each would take most of the test's time."""
        with contextlib.chdir(self.folder):
            done = self._cli.invoke(application(), arguments, env={**self.environment, "COLUMNS": "200"})
        assert done.exit_code == 0, f"tidegate {' '.join(arguments)}: {done.output}"
        return done.output

    def _bash(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command], cwd=self.folder, env=self.environment,
            capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.replace("\r", "")

    def _start(self, arguments: list[str]) -> str:
        if "--port" not in arguments:
            arguments = [*arguments, "--port", self._port("4400" if arguments[0] == "simulate" else "8080")]
        output = self.folder / f"{arguments[0]}-{len(self._servers)}.log"
        with output.open("wb") as log:
            command = [sys.executable, "-u", "-m", "tidegate", *arguments]
            server = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        self._servers.append(server)
        last_line = "tidegate usage" if arguments[0] == "run" else "/simulator/stats"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while last_line not in output.read_text():
            assert server.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.05)
        self.note(output.read_text())
        return output.read_text()


def commands_of(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a block with the lines that the document shows as its output.

    With `$ ` before its commands a block has output between them; without, each line is a command.
    """
    lines = text.replace("\\\n", " ").splitlines()
    has_output = any(line.startswith("$ ") for line in lines)
    command, output = "", list[str]()
    for line in lines:
        if not line.strip() or (has_output and not line.startswith("$ ")):
            output.append(line)
            continue
        if command:
            yield command, output
        command, output = line.removeprefix("$ "), []
    if command:
        yield command, [line for line in output if line.strip()]


def missing_line(expected: list[str], output: str) -> str | None:
    """Return the first expected line that `output` does not have after the one before; `…` stands for anything."""
    lines = iter(" ".join(line.split()) for line in output.splitlines())
    for line in expected:
        pattern = ".*".join(map(re.escape, " ".join(line.split()).split("…")))
        if line.strip() not in ("", "…") and not any(re.fullmatch(pattern, each) for each in lines):
            return line
    return None
