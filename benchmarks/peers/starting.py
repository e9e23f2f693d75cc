"""How a peer is started, once its package is installed."""

import contextlib
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks import processes
from benchmarks.peers.peer import Running, Site
from benchmarks.target import Target

MODEL = "gpt-4o-mini"
_START_SECONDS = 300.0
"""Some take 10 s on a quiet machine, and minutes on a busy one."""


def warm_body(model: str) -> bytes:
    """Return the body of a first call."""
    return b'{"model":"%s","messages":[{"role":"user","content":"Are you there?"}]}' % model.encode()


def chat_url(port: int) -> str:
    """Return the address of chat completions on loopback."""
    return f"http://127.0.0.1:{port}/v1/chat/completions"


@contextlib.contextmanager
def answering(
    name: str, command: list[str], env: Mapping[str, str], target: Target, site: Site, *, stores: Path | None = None
) -> Iterator[Running]:
    """Start `command` on the gateway's core, alone there, and wait for its first answer. Raises BenchmarkError."""
    with processes.running(name, command, core=site.cores.gateway, folder=site.folder, env=env) as program:
        yield first_answer(program, target, stores=stores)


def first_answer(program: processes.Program, target: Target, *, stores: Path | None = None) -> Running:
    """Wait for the program's first answer. Raises BenchmarkError."""
    seconds = processes.until_first_answer(
        program, target.url, warm_body(target.model), target.key, headers=target.headers, seconds=_START_SECONDS
    )
    idle = program.resident_bytes()
    return Running(program=program, target=target, start_seconds=seconds, idle_bytes=idle, stores=stores)


@contextlib.contextmanager
def redis(site: Site, name: str) -> Iterator[Path]:
    """Run a Redis for a peer that is told a host and a port; yield the folder that it works in."""
    beside = Path(sys.executable).with_name("redis-server")
    program = shutil.which("redis-server") or str(beside)
    folder = (site.folder / f"{name}-redis").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    command = [program, "--port", str(site.redis_port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with processes.running(f"{name}-redis", command, core=site.cores.stores, folder=site.folder, cwd=folder):
        yield folder
