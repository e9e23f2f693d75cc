"""Containers of one engine as the tests see them: their figures, and what they may do."""

import http.client
import time
from collections.abc import Callable
from contextlib import closing, suppress

import msgspec

from tests.image.engine import Engine

_START_SECONDS = 30.0


class Start(msgspec.Struct, frozen=True):
    """What a start took until the first 200."""

    seconds: float
    cpu_seconds: float


def first_answer(engine: Engine, name: str) -> Start:
    """Start a created container, ask its `/readyz` until it says 200, and return what that took."""
    began = time.monotonic()
    engine.docker("start", name)
    port = published_port(engine, name)
    try:
        wait_until(lambda: status(port, "/readyz") == 200)
    except TimeoutError as error:
        raise TimeoutError(engine.docker("logs", name)) from error
    return Start(time.monotonic() - began, cpu_seconds(engine, name))


def wait_until(done: Callable[[], bool], seconds: float = _START_SECONDS) -> None:
    """Ask again every 20 ms until `done`. Raises TimeoutError."""
    ends = time.monotonic() + seconds
    while not done():
        if time.monotonic() > ends:
            raise TimeoutError(f"not done after {seconds:.0f} s")
        time.sleep(0.02)  # a container tells nobody that it is ready


def status(port: int, path: str) -> int:
    """Return the status of a GET to a port of this machine, 0 if there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with closing(connection), suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        with connection.getresponse() as answer:
            return answer.status
    return 0


def cpu_seconds(engine: Engine, name: str) -> float:
    """Return the CPU seconds that a container has used."""
    figures = engine.read(f"/containers/{name}/stats?stream=false&one-shot=true")
    return float(figures["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9


def memory_bytes(engine: Engine, name: str) -> int:
    """Return the memory of a container without the cache of files, as `docker stats` shows it."""
    figures = engine.read(f"/containers/{name}/stats?stream=false&one-shot=true")["memory_stats"]
    parts = figures["stats"]
    return int(figures["usage"]) - int(parts.get("total_inactive_file", parts.get("inactive_file", 0)))


def published_port(engine: Engine, name: str) -> int:
    """Return the port of this machine that leads to the container's 8080."""
    return int(engine.docker("port", name, "8080").splitlines()[0].rpartition(":")[2])
