"""A process of several imports the gateway itself, so that the process which starts it does not."""

import subprocess
import sys

GATEWAY = ("tidegate.app", "fastapi", "aiohttp", "uvicorn")


def test_its_start_imports_no_gateway() -> None:
    program = "import sys; import tidegate.cli.worker_process; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert set(GATEWAY).isdisjoint(loaded)
