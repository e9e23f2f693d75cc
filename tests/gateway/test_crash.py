"""A gateway that crashes leaves no core file with the keys in its memory."""

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import World


@pytest.fixture(autouse=True)
def _core_files_allowed() -> Iterator[None]:
    """Processes that this one starts may write core files, as far as this machine lets them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def core_limits(pid: int) -> list[tuple[str, ...]]:
    """Return the limits of a process and of its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    texts = [Path(f"/proc/{process}/limits").read_text() for process in [*children, str(pid)]]
    lines = [line for text in texts for line in text.splitlines() if line.startswith("Max core file size")]
    return [tuple(line.split()[-3:]) for line in lines]


async def test_a_gateway_that_crashes_leaves_none(world: World) -> None:
    async with world.process() as gateway:
        gateway.process.send_signal(signal.SIGSEGV)
        assert await gateway.process.wait() == -signal.SIGSEGV
    assert [path.name for path in world.folder.iterdir() if path.name.startswith("core")] == []


async def test_no_process_of_a_gateway_may_write_a_core_file(world: World) -> None:
    async with world.process("--workers", "2") as gateway:
        limits = core_limits(gateway.process.pid)
        assert len(limits) > 2
        assert set(limits) == {("0", "0", "bytes")}
