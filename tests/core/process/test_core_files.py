"""A process that forbids core files leaves none when it crashes, where another one leaves one."""

import asyncio
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CRASH = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
FORBID = "from tidegate.core.process.core_files import forbid_core_files; forbid_core_files(); "
PATTERN = Path("/proc/sys/kernel/core_pattern")


@pytest.fixture(autouse=True)
def _core_files_allowed() -> Iterator[None]:
    """Processes that this one starts may write core files into their folders."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if hard == 0 or not PATTERN.exists() or PATTERN.read_text()[:1] in "|/":
        pytest.skip("this machine writes no core files into the folder of a process")
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def core_files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith("core")]


@pytest.mark.parametrize(("code", "count"), [(CRASH, 1), (FORBID + CRASH, 0)])
async def test_only_a_process_that_forbids_it_leaves_none(tmp_path: Path, code: str, count: int) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=tmp_path)
    assert await process.wait() == -signal.SIGSEGV
    assert len(core_files(tmp_path)) == count
