"""No call is lost while replicas are restarted and workers are recycled; `make rolling` plays more of it."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 240
"""On a machine with much other work; alone it takes about 20 s."""


def test_every_call_is_answered_and_in_the_ledger() -> None:
    with socket.create_server(("127.0.0.1", 0)) as asking:
        port = asking.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.rolling", "--calls", "300", "--restarts", "2", "--recyclings", "4"]
    ended = subprocess.run(
        [*command, "--port", str(min(port, 65_000))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("0 lost, 0 without a ledger entry") == 2, ended.stdout
