"""The same world and gateway as the gateway's own tests have, and Node's packages, installed once."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.conftest import gateway, world
from tests.harness import Gateway, World
from tests.node_packages import install_node_packages

__all__ = ["gateway", "world"]

HERE = Path(__file__).parent / "node"

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
    return install_node_packages(HERE)


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
