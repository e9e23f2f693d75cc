"""`tidegate run` needs nothing: it starts stores and a simulator, shows a key and a call that works, and cleans up."""

import asyncio
import contextlib
import os
import re
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from tests.eventually import PATIENCE_SECONDS
from tests.harness import CHAT, free_port
from tidegate.simulator import Options, running
from tidegate.storage.embedded import StoreUrls


class RunProcess:
    """The running command and what it said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.welcome = ""

    async def wait_for_welcome(self) -> None:
        """Read its welcome to the end."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "tidegate usage" not in self.welcome:
                line = await self.process.stdout.readline()
                assert line, f"it ended: {self.welcome}"
                self.welcome += line.decode()

    def value_of(self, what: str) -> str:
        """A line of the welcome, by its label."""
        found = re.search(rf"{what} +(.+)", self.welcome)
        assert found, self.welcome
        return found[1]

    async def end(self) -> int:
        """Stop it as Ctrl-C does; its exit code."""
        self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, complaints = await self.process.communicate()
        assert b"Traceback" not in complaints
        return self.process.returncode or 0


@contextlib.asynccontextmanager
async def run(folder: Path, **environment: str) -> AsyncIterator[RunProcess]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-m", "tidegate", "run", "--port", str(free_port()),
        cwd=folder, env={**os.environ, **environment}, stdout=pipe, stderr=pipe,
    )  # fmt: skip
    running = RunProcess(process)
    try:
        await running.wait_for_welcome()
        yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def send_request(base_url: str, key: str) -> tuple[int, str]:
    headers = {"authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.post(f"{base_url}/chat/completions", json=CHAT) as answer,
    ):
        await answer.read()
        return answer.status, answer.headers["x-tidegate-cache"]


async def test_with_nothing_at_hand_it_brings_everything(open_folder: Path) -> None:
    async with run(open_folder) as first:
        assert "simulated" in first.value_of("upstream")
        base_url, key = first.value_of("base URL"), first.value_of("API key").split()[0]
        assert [await send_request(base_url, key) for _ in range(2)] == [(200, "miss"), (200, "hit")]
        example = shlex.split(first.welcome.partition("Try it:")[2].partition("\n\nSend")[0].replace("\\\n", ""))
        assert example[:2] == ["curl", f"{base_url}/chat/completions"]
        assert await first.end() == 0
    assert not (open_folder / ".tidegate" / "postgres" / "postmaster.pid").exists()


async def test_with_a_key_it_speaks_to_openai_and_keeps_its_data(
    open_folder: Path, clean_stores: StoreUrls, redis_prefix: str
) -> None:
    secret = "sk-proj-somebodys-own"
    async with running(Options(api_key=secret)) as upstream_url:
        environment = {
            "OPENAI_API_KEY": secret,
            "TIDEGATE_UPSTREAM__BASE_URL": upstream_url,
            "TIDEGATE_DATABASE_URL": clean_stores.database_url,
            "TIDEGATE_REDIS_URL": clean_stores.redis_url,
            "TIDEGATE_REDIS__PREFIX": redis_prefix,
        }
        async with run(open_folder, **environment) as first:
            assert first.value_of("upstream") == f"OpenAI, {upstream_url}"
            assert secret not in first.welcome
            key = first.value_of("API key").split()[0]
            assert await send_request(first.value_of("base URL"), key) == (200, "miss")
            assert await first.end() == 0
        async with run(open_folder, **environment) as second:
            assert await send_request(second.value_of("base URL"), key) == (200, "hit")
