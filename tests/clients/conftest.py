"""The same world and gateway as the gateway's own tests have, and Node's packages, installed once."""

import asyncio
import hashlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.conftest import gateway, world
from tests.harness import Gateway, World

__all__ = ["gateway", "world"]

HERE = Path(__file__).parent / "node"
OLDEST_NODE = 20

Node = Callable[..., Awaitable[dict[str, Any]]]
"""Runs a script with what it shall do, against a gateway; gives what it printed."""


@pytest.fixture
async def impatient(world: World) -> AsyncIterator[Gateway]:
    """A gateway that tries nothing again by itself: whoever tries again is the client."""
    alone = {"retries": {"max_retries": 0}, "breaker": {"failure_threshold": 1000, "min_calls": 1000}}
    async with world.gateway(**alone) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def node_packages() -> Path:
    """The folder with the packages of `package-lock.json`, installed where they are not yet."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node.js is not installed (node and npm are needed)")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node.js {version} is too old for the clients, {OLDEST_NODE} is the oldest that will do")
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = HERE / "node_modules" / ".tidegate-lock"
    if not stamp.exists() or stamp.read_text() != lock:
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        stamp.write_text(lock)
    return HERE


@pytest.fixture
def node(node_packages: Path) -> Node:
    async def run(script: str, gateway: Gateway, *uses: str, **variables: str) -> dict[str, Any]:
        mine = {"OPENAI_BASE_URL": gateway.base_url, "OPENAI_API_KEY": gateway.key, **variables}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            "node", script, *uses, cwd=node_packages, env={**os.environ, **mine}, stdout=pipe, stderr=pipe
        )
        said, complaints = await process.communicate()
        assert process.returncode == 0, complaints.decode()
        found: dict[str, Any] = msgspec.json.decode(said)
        return found

    return run
