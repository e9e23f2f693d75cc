"""Gateways of several checkouts, each with its own interpreter and stores, driven by what is public of them alone."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import redis

from benchmarks import gateway, processes
from benchmarks.contestants import FOLDER, MODEL, WARM
from benchmarks.counting import SIZE
from benchmarks.processes import MEASURED_CORE, BenchmarkError, Program
from benchmarks.target import Target
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls

_COMMAND_SECONDS = 60.0
_SERVE = Path(__file__).with_name("counted_gateway.py").resolve()
_PREPARE = Path(__file__).with_name("prepared_stores.py").resolve()


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """A folder with Tidegate in it. `settings` are environment variables for it alone; an empty one takes it away."""

    name: str
    folder: Path
    settings: Mapping[str, str] = msgspec.field(default_factory=dict)

    @property
    def python(self) -> str:
        """Return its own interpreter, or the running one."""
        own = self.folder / ".venv" / "bin" / "python"
        return str(own if own.exists() else Path(sys.executable))

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return `given` with what this checkout needs; PYTHONPATH comes before what is installed."""
        merged = {**given, "PYTHONPATH": str(self.folder), **self.settings}
        return {name: value for name, value in merged.items() if value}

    def described(self) -> str:
        """Return its commit and its Python. Raises BenchmarkError where the interpreter finds another Tidegate."""
        asked = "import sys, tidegate; print(sys.version.split()[0], tidegate.__file__)"
        with _command([self.python, "-P", "-c", asked], self.environment({}), self.folder) as process:
            version, _, found = _output(process).strip().partition(" ")
        if not Path(found).resolve().is_relative_to(self.folder):
            raise BenchmarkError(f"{self.python} runs {found}, not the checkout {self.folder}: no call was made.")
        command = ["git", "-C", str(self.folder), "describe", "--always", "--dirty"]
        commit = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False)
        return f"{self.name}: {commit.stdout.strip() or 'no commit'}, Python {version}"


class Side:
    """A checkout's gateway that runs, on stores of its own."""

    def __init__(self, program: Program, target: Target, redis_url: str, counts: Path) -> None:
        """`counts` is the file that it counts function calls into, once told to."""
        self.program = program
        self.target = target
        self.counts = counts
        self._redis = redis.Redis.from_url(redis_url)

    def redis_seconds(self) -> float:
        """Return the CPU time of Redis's process so far."""
        told = self._redis.info("cpu")
        return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


@contextlib.contextmanager
def serving(checkouts: Sequence[Checkout], upstream: str, first_port: int) -> Iterator[list[Side]]:
    """Run a gateway of each checkout, all on one core, on ports from `first_port` on. Raises BenchmarkError."""
    with contextlib.ExitStack() as stack:
        homes = [stack.enter_context(_new_home(checkout, upstream)) for checkout in checkouts]
        keys = _new_keys(homes)
        sides = []
        for number, home in enumerate(homes):
            port = first_port + number
            url = f"http://127.0.0.1:{port}/v1/chat/completions"
            program = stack.enter_context(home.gateway(port))
            target = Target(url=url, key=keys[number], model=MODEL)
            sides.append(Side(program, target, home.stores.redis_url, home.counts))
        for side in sides:
            processes.until_first_answer(side.program, side.target.url, WARM, side.target.key)
            side.program.stay_on(MEASURED_CORE)
        yield sides


class _Home(msgspec.Struct, frozen=True, kw_only=True):
    """A checkout with a folder to run in, its stores in it."""

    checkout: Checkout
    folder: Path
    stores: StoreUrls
    env: Mapping[str, str]

    @property
    def counts(self) -> Path:
        return self.folder / "counts"

    def gateway(self, port: int) -> contextlib.AbstractContextManager[Program]:
        """Return the gateway to start."""
        command = [self.checkout.python, "-P", str(_SERVE), str(self.counts), "serve", "--port", str(port)]
        name = f"paired-{self.checkout.name.replace(' ', '-')}"
        return processes.running(name, command, core=None, folder=FOLDER, env=self.env, cwd=self.folder)


@contextlib.contextmanager
def _new_home(checkout: Checkout, upstream: str) -> Iterator[_Home]:
    # a new one each time: what another commit has stored may have another form
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="paired-", dir=FOLDER, ignore_cleanup_errors=True) as path:
        folder = Path(path).resolve()
        (folder / "counts").write_bytes(bytes(SIZE))
        with embedded.running(folder) as stores:
            env = checkout.environment(gateway.environment(upstream, stores))
            yield _Home(checkout=checkout, folder=folder, stores=stores, env=env)


def _new_keys(homes: Sequence[_Home]) -> list[str]:
    """Make the stores of all of them ready at once, with a key in each. Raises BenchmarkError."""
    words = ["migrate", "--", "keys", "create", "--project", "bench", "--name", "bench", "--json"]
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(_command([home.checkout.python, "-P", str(_PREPARE), *words], home.env, home.folder))
            for home in homes
        ]
        outputs = [_output(process) for process in started]
    return [str(json.loads(output[output.index("{") :])["key"]) for output in outputs]


@contextlib.contextmanager
def _command(command: list[str], env: Mapping[str, str], cwd: Path) -> Iterator[subprocess.Popen[str]]:
    # -P: the folder this runs in may hold another tidegate
    process = subprocess.Popen(
        [*processes.on(None), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **env},
        cwd=cwd,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _output(process: subprocess.Popen[str]) -> str:
    try:
        output, _ = process.communicate(timeout=_COMMAND_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(f"{_told(process)} did not end within {_COMMAND_SECONDS:g} s") from error
    if process.returncode:
        raise BenchmarkError(f"{_told(process)} failed:\n{output}")
    return output


def _told(process: subprocess.Popen[str]) -> str:
    return " ".join(str(part) for part in process.args) if isinstance(process.args, list) else str(process.args)
