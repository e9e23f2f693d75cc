"""A container engine: the one that is up, or Debian's, unpacked into a folder and started there."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PACKAGES = (
    "docker.io", "containerd", "docker-compose", "python3-docker", "python3-dockerpty",
    "python3-docopt", "python3-dotenv", "python3-attr", "python3-pyrsistent", "python3-jsonschema",
    "python3-texttable", "python3-requests", "python3-urllib3", "python3-websocket", "python3-chardet",
    "python3-charset-normalizer", "python3-idna", "python3-certifi", "python3-yaml", "python3-six",
    "python3-distutils", "python3-pkg-resources",
)  # fmt: skip
_INSTALLED = ("runc", "iptables", "mmdebstrap")
_START_SECONDS = 60.0
_COMMAND_SECONDS = 900.0
"""More than a build takes that has to install everything."""


class NoEngine(Exception):
    """There is no container engine, and none could be started."""


class Engine:
    """Runs the command line and reads the API of one engine."""

    def __init__(self, folder: Path, environment: dict[str, str], compose: tuple[str, ...]) -> None:
        """`folder` keeps what is made for it; `compose` is the command that knows compose files."""
        self.folder = folder
        self._environment = environment
        self._compose = compose

    def docker(self, *arguments: str, **variables: str) -> str:
        """Run `docker` and return its output. Raises RuntimeError, with what it said."""
        return self._run(("docker", *arguments), variables)

    def compose(self, *arguments: str, **variables: str) -> str:
        """Run `docker compose` and return its output. Raises RuntimeError, with what it said."""
        return self._run((*self._compose, *arguments), variables)

    def build(self, context: Path, *arguments: str) -> None:
        """Build an image with the network and the certificate authorities of this machine."""
        authorities = "id=ca,src=/etc/ssl/certs/ca-certificates.crt"
        command = ("build", "--quiet", "--network", "host", "--secret", authorities, *arguments, str(context))
        self.docker(*command, DOCKER_BUILDKIT="1")

    def has_image(self, name: str) -> bool:
        """Whether the engine has an image of this name."""
        return bool(self.docker("images", "--quiet", name))

    def read(self, path: str) -> Any:
        """Return what the engine's API says at this path."""
        connection = _SocketConnection(self._environment["DOCKER_HOST"].removeprefix("unix://"))
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def _run(self, command: tuple[str, ...], variables: dict[str, str]) -> str:
        ran = subprocess.run(
            command,
            env=self._environment | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_SECONDS,
        )
        if ran.returncode:
            raise RuntimeError(f"{' '.join(command)} exited with {ran.returncode}:\n{ran.stdout}{ran.stderr}")
        return f"{ran.stdout}{ran.stderr if command[1] == 'logs' else ''}".strip()


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def engine_that_is_up(folder: Path) -> Engine | None:
    """Return the engine of this machine, if it answers and knows compose files."""
    environment = {"DOCKER_HOST": "unix:///var/run/docker.sock", **os.environ}
    for command in ("docker version", "docker compose version"):
        try:
            ran = subprocess.run(command.split(), env=environment, capture_output=True, check=False, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return None
        if ran.returncode:
            return None
    return Engine(folder, environment, ("docker", "compose"))


@contextmanager
def debian_engine(folder: Path) -> Iterator[Engine]:
    """Start Debian's engine in this folder, and stop it at the end. Raises NoEngine."""
    programs = folder / "programs"
    _unpack(programs)
    path = f"{programs}/usr/bin:{programs}/usr/sbin:{os.environ['PATH']}:/usr/sbin:/sbin"
    environment = {**os.environ, "PATH": path, "DOCKER_HOST": f"unix://{folder}/docker.sock"}
    environment["PYTHONPATH"] = str(programs / "usr/lib/python3/dist-packages")
    compose = ("/usr/bin/python3", str(programs / "usr/bin/docker-compose"))
    places = {"--data-root": "data", "--exec-root": "exec", "--pidfile": "pid"}
    options = [word for option, name in places.items() for word in (option, str(folder / name))]
    with (folder / "dockerd.log").open("w") as log:
        command = (f"{programs}/usr/sbin/dockerd", "-H", environment["DOCKER_HOST"], *options)
        daemon = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        engine = Engine(folder, environment, compose)
        _wait(engine, daemon, folder / "dockerd.log")
        yield engine
    finally:
        daemon.terminate()
        daemon.wait(_START_SECONDS)


def _unpack(programs: Path) -> None:
    missing = [name for name in _INSTALLED if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    try:
        if missing:
            _apt("apt-get", "update", "-qq")
            _apt("apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing)
        if not programs.exists():
            archives = programs.with_name("archives")
            archives.mkdir(parents=True, exist_ok=True)
            _apt("apt-get", "download", "-qq", *_PACKAGES, folder=archives)
            for archive in archives.glob("*.deb"):
                _apt("dpkg-deb", "-x", str(archive), str(programs))
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoEngine(f"Debian's packages could not be had: {error}") from error


def _apt(*command: str, folder: Path = Path("/")) -> None:
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _wait(engine: Engine, daemon: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + _START_SECONDS
    while daemon.poll() is None and time.monotonic() < ends:
        try:
            engine.docker("version")
        except RuntimeError:
            time.sleep(0.2)
        else:
            return
    raise NoEngine(f"Debian's engine did not start: {log.read_text()[-2000:]}")
