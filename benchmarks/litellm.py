"""LiteLLM's proxy, installed into a throw-away environment and kept off the network."""

import contextlib
import json
import secrets
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks import processes
from benchmarks.processes import OTHER_CORE, BenchmarkError

OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "DISABLE_ADMIN_UI": "True"}
"""Without the first it fetches its price list at every start."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration file, and the key that it asks of callers."""

    path: Path
    key: str


def install(folder: Path) -> Path:
    """The proxy's program, installed by pip where it is not yet. Raises BenchmarkError when that fails."""
    program = folder.resolve() / "bin" / "litellm"
    if not program.exists():
        print("Installing litellm[proxy] (once, some minutes) ...", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        command = [str(folder / "bin" / "python"), "-m", "pip", "install", "-qq", "litellm[proxy]"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchmarkError(f"litellm[proxy] cannot be installed; try --skip-litellm. pip says:\n{done.stderr}")
    return program


def version(folder: Path) -> str:
    """What is installed there."""
    code = "from importlib.metadata import version; print(version('litellm'))"
    command = [str(folder / "bin" / "python"), "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def configure(folder: Path, upstream_port: int, redis_port: int | None) -> Config:
    """Write a configuration with one model and a random master key; answers are cached where a Redis is named."""
    key = f"sk-{secrets.token_hex(24)}"
    model = {"model": "openai/gpt-4o-mini", "api_base": f"http://127.0.0.1:{upstream_port}/v1", "api_key": "sk-bench"}
    settings: dict[str, object] = {"telemetry": False}
    if redis_port is not None:
        cache = {"type": "redis", "host": "127.0.0.1", "port": redis_port, "ttl": 3600}
        settings |= {"cache": True, "cache_params": cache}
    config = {
        "model_list": [{"model_name": "gpt-4o-mini", "litellm_params": model}],
        "general_settings": {"master_key": key},
        "litellm_settings": settings,
    }
    path = folder / "litellm.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    return Config(path=path, key=key)


@contextlib.contextmanager
def redis(port: int, folder: Path) -> Iterator[None]:
    """A Redis on a port, because LiteLLM is told a host and a port."""
    beside = Path(sys.executable).with_name("redis-server")
    program = shutil.which("redis-server") or str(beside)
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with processes.running("redis", command, core=OTHER_CORE, folder=folder):
        yield
