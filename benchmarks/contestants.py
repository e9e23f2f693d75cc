"""Who is compared, and how each is started."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from benchmarks import gateway, litellm, processes
from benchmarks.load import Target
from benchmarks.processes import MEASURED_CORE, OTHER_CORE, Program
from tidegate.storage.embedded import StoreUrls

FOLDER = Path(".benchmarks")
"""Where throw-away environments, data and logs are kept between runs."""
MODEL = "gpt-4o-mini"
WARM = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Are you there?"}]}'


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Where everyone listens, on loopback."""

    upstream: int
    gateway: int
    floor: int
    litellm: int
    redis: int

    @classmethod
    def above(cls, first: int) -> "Ports":
        """Five ports in a row."""
        return cls(upstream=first, gateway=first + 1, floor=first + 2, litellm=first + 3, redis=first + 4)


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A contestant that has given its first answer, and what that took."""

    program: Program
    target: Target
    start_seconds: float
    idle_bytes: int


@contextlib.contextmanager
def upstream(port: int, *options: str) -> Iterator[Program]:
    """The instant upstream; `options` are those of its command line."""
    command = [sys.executable, "-m", "benchmarks.instant", "--port", str(port), *options]
    with processes.running("upstream", command, core=OTHER_CORE, folder=FOLDER) as program:
        processes.until_first_answer(program, _chat(port), WARM, "none")
        yield program


@contextlib.contextmanager
def floor(ports: Ports) -> Iterator[Running]:
    """A bare pass-through on uvicorn."""
    command = [sys.executable, "-m", "uvicorn", "benchmarks.floor:app", "--port", str(ports.floor), "--no-access-log"]
    command += ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]
    env = {"FLOOR_UPSTREAM": f"http://127.0.0.1:{ports.upstream}"}
    with _answering("floor", command, env, Target(url=_chat(ports.floor), key="none", model=MODEL)) as contestant:
        yield contestant


@contextlib.contextmanager
def tidegate(
    ports: Ports, stores: StoreUrls, *, key: str | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """The gateway with keys, cache and metering on, in one process; without `key` the stores are made ready first."""
    env = gateway.environment(f"http://127.0.0.1:{ports.upstream}/v1", stores) | dict(settings or {})
    target = Target(url=_chat(ports.gateway), key=key or gateway.make_key(env), model=MODEL)
    with _answering("tidegate", gateway.command("serve", "--port", str(ports.gateway)), env, target) as contestant:
        yield contestant


@contextlib.contextmanager
def peer(ports: Ports, *, cached: bool) -> Iterator[Running]:
    """LiteLLM's proxy in one process, without a database; answering from a Redis of its own where `cached`."""
    program = litellm.install(FOLDER / "litellm")
    config = litellm.configure(FOLDER, ports.upstream, ports.redis if cached else None)
    command = [str(program), "--config", str(config.path), "--host", "127.0.0.1", "--port", str(ports.litellm)]
    target = Target(url=_chat(ports.litellm), key=config.key, model=MODEL)
    with (
        litellm.redis(ports.redis, FOLDER),
        _answering("litellm", [*command, "--num_workers", "1"], litellm.OFFLINE, target) as contestant,
    ):
        yield contestant


@contextlib.contextmanager
def _answering(name: str, command: list[str], env: Mapping[str, str], target: Target) -> Iterator[Running]:
    with processes.running(name, command, core=MEASURED_CORE, folder=FOLDER, env=env) as program:
        seconds = processes.until_first_answer(program, target.url, WARM, target.key)
        yield Running(program=program, target=target, start_seconds=seconds, idle_bytes=program.resident_bytes())


def _chat(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1/chat/completions"
