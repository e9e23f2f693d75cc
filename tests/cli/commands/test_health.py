"""`tidegate health` says whether the gateway beside it can answer, by its exit code."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import World, free_port
from tidegate.simulator import running
from tidegate.storage.embedded import StoreUrls


@pytest.fixture
async def world(clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    async with running() as upstream_url, World(clean_stores, redis_prefix, upstream_url, tmp_path) as world:
        yield world


def health(*arguments: str, folder: Path, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tidegate", "health", *arguments], cwd=folder, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, (done.stdout + done.stderr).strip()


async def test_a_running_gateway_is_healthy_until_it_ends(world: World) -> None:
    async with world.process() as gateway:
        port = gateway.root.rpartition(":")[2]
        assert health(folder=world.folder, TIDEGATE_SERVER__PORT=port) == (0, "ok")
        assert health("--port", port, folder=world.folder) == (0, "ok")
        await gateway.stop()
        assert health(folder=world.folder, PORT=port)[0] == 1


@pytest.mark.parametrize("arguments", [(), ("--host", "127.0.0.1")])
def test_no_gateway_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    port = free_port()
    code, said = health(*arguments, folder=tmp_path, PORT=str(port))
    assert (code, said) == (1, f"The gateway at 127.0.0.1 port {port} did not answer: Connection refused.")
