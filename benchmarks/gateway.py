"""Tidegate as the benchmarks run it: a process of its own, spoken to by its command line."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping

from benchmarks.processes import BenchmarkError
from tidegate.storage.embedded import StoreUrls


def environment(upstream: str, stores: StoreUrls) -> dict[str, str]:
    """What Tidegate is told: `upstream` ends in `/v1`, empty for none. Single calls are not logged."""
    given = {"TIDEGATE_UPSTREAM__BASE_URL": upstream} if upstream else {}
    return given | {
        "TIDEGATE_DATABASE_URL": stores.database_url,
        "TIDEGATE_REDIS_URL": stores.redis_url,
        "TIDEGATE_LOG_LEVEL": "warning",
        "OPENAI_API_KEY": "sk-bench",
    }


def command(*arguments: str) -> list[str]:
    """One of Tidegate's commands, ready to start."""
    return [sys.executable, "-m", "tidegate", *arguments]


def make_key(env: Mapping[str, str]) -> str:
    """Migrate, and make a key. Raises BenchmarkError when either fails."""
    run(["migrate"], env)
    return str(json.loads(run(["keys", "create", "--project", "bench", "--name", "bench", "--json"], env))["key"])


def run(arguments: list[str], env: Mapping[str, str]) -> str:
    """Run one of Tidegate's commands to its end; what it printed. Raises BenchmarkError when it fails."""
    done = subprocess.run(command(*arguments), env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"tidegate {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
