"""Who is compared, and how each is started."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from benchmarks import gateway, processes
from benchmarks.peers import any_llm, litellm, portkey, tensorzero
from benchmarks.peers.peer import Peer, Running
from benchmarks.processes import MEASURED_CORE, OTHER_CORE, Program
from benchmarks.target import Target
from tidegate.storage.embedded import StoreUrls

FOLDER = Path(".benchmarks")
"""Where throw-away environments, data and logs are kept between runs."""
MODEL = "gpt-4o-mini"
WARM = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Are you there?"}]}'
PEERS: tuple[Peer, ...] = (tensorzero.TENSORZERO, portkey.PORTKEY, litellm.PLAIN, litellm.CACHED, any_llm.ANY_LLM)


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Where everyone listens, on loopback."""

    upstream: int
    gateway: int
    floor: int
    peers: int
    """The first of two for each peer: its own, and its Redis's."""

    @classmethod
    def above(cls, first: int) -> "Ports":
        """Return ports in a row: three, and two for each peer."""
        return cls(upstream=first, gateway=first + 1, floor=first + 2, peers=first + 3)


@contextlib.contextmanager
def upstream(port: int, *options: str, core: int = OTHER_CORE) -> Iterator[Program]:
    """The instant upstream; `options` are those of its command line."""
    command = [sys.executable, "-m", "benchmarks.instant", "--port", str(port), *options]
    with processes.running("upstream", command, core=core, folder=FOLDER) as program:
        processes.until_first_answer(program, _chat(port), WARM, "none")
        yield program


@contextlib.contextmanager
def floor(ports: Ports, *, core: int = MEASURED_CORE) -> Iterator[Running]:
    """A bare pass-through on uvicorn."""
    command = [sys.executable, "-m", "uvicorn", "benchmarks.floor:app", "--port", str(ports.floor), "--no-access-log"]
    command += ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]
    env = {"FLOOR_UPSTREAM": f"http://127.0.0.1:{ports.upstream}"}
    target = Target(url=_chat(ports.floor), key="none", model=MODEL)
    with _answering("floor", command, env, target, core=core) as contestant:
        yield contestant


@contextlib.contextmanager
def tidegate(
    ports: Ports,
    stores: StoreUrls,
    *,
    key: str | None = None,
    settings: Mapping[str, str] | None = None,
    core: int | None = MEASURED_CORE,
) -> Iterator[Running]:
    """The gateway with keys, cache and metering on, in one process; without `key` the stores are made ready first.

    `core` None: on both.
    """
    env = gateway.environment(f"http://127.0.0.1:{ports.upstream}/v1", stores) | dict(settings or {})
    target = Target(url=_chat(ports.gateway), key=key or gateway.make_key(env), model=MODEL)
    command = gateway.command("serve", "--port", str(ports.gateway))
    with _answering("tidegate", command, env, target, core=core) as contestant:
        yield contestant


@contextlib.contextmanager
def _answering(
    name: str, command: list[str], env: Mapping[str, str], target: Target, *, core: int | None
) -> Iterator[Running]:
    with processes.running(name, command, core=core, folder=FOLDER, env=env) as program:
        seconds = processes.until_first_answer(program, target.url, WARM, target.key)
        yield Running(program=program, target=target, start_seconds=seconds, idle_bytes=program.resident_bytes())


def _chat(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1/chat/completions"
