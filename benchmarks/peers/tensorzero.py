"""TensorZero, the gateway that is written in Rust. Its Python package has the whole gateway in a shared library."""

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import processes
from benchmarks.peers import starting
from benchmarks.peers.installing import Package
from benchmarks.peers.peer import Peer, Running, Site
from benchmarks.processes import BenchmarkError, Program
from benchmarks.target import Target

_CONFIG = """[gateway]
observability.enabled = false
disable_pseudonymous_usage_analytics = true

[models.{model}]
routing = ["bench"]

[models.{model}.providers.bench]
type = "openai"
model_name = "{model}"
api_base = "http://127.0.0.1:{port}/v1/"
api_key_location = "none"
"""
_LAUNCHER = Path(__file__).with_name("tensorzero_launcher.py").resolve()
_ADDRESS = re.compile(r"^address (http://\S+)$", re.MULTILINE)
_START_SECONDS = 300.0


@contextlib.contextmanager
def _serving(site: Site) -> Iterator[Running]:
    config = site.folder / "tensorzero.toml"
    config.write_text(_CONFIG.format(model=starting.MODEL, port=site.upstream_port))
    # -P: the launcher's folder has a module of the package's name
    command = [str((site.installed / "bin" / "python").absolute()), "-P", str(_LAUNCHER), str(config)]
    with processes.running("tensorzero", command, core=site.cores.gateway, folder=site.folder) as program:
        target = Target(
            url=f"{_address(program)}/chat/completions", key="none", model=f"tensorzero::model_name::{starting.MODEL}"
        )
        yield starting.first_answer(program, target)


def _address(program: Program) -> str:
    """Return where it listens, which it chooses itself. Raises BenchmarkError."""
    while time.monotonic() - program.started < _START_SECONDS and program.process.poll() is None:
        if found := _ADDRESS.search(program.log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.02)
    raise BenchmarkError(f"TensorZero did not come up; its log is {program.log}")


TENSORZERO = Peer(
    name="tensorzero",
    package=Package(
        installer="pip",
        name="tensorzero",
        program="bin/python",
    ),
    settings="from its Python package; no keys, no database, accounting off",
    serving=_serving,
)
