"""`tidegate serve` starts only where it is safe, finishes what it began when told to end, and leaves with code 0."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest
import typer
from typer.testing import CliRunner

from tests.eventually import PATIENCE_SECONDS
from tests.harness import STREAM, Answer, GatewayProcess, World, ask, chat_text, data_of, free_port
from tidegate.cli.commands.serve import serve
from tidegate.core.config.sections.server import ServerConfig
from tidegate.simulator import running
from tidegate.storage.embedded import StoreUrls

pytestmark = pytest.mark.long

PACED = {"x_simulate_tps": "30", "x_simulate_tokens": "60"}

GRACE_SECONDS = ServerConfig().grace


@pytest.fixture
async def world(clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    async with running() as upstream_url, World(clean_stores, redis_prefix, upstream_url, tmp_path) as world:
        yield world


async def terminate_mid_stream(gateway: GatewayProcess) -> Answer:
    """A stream during which the gateway is told to end; checks that nobody else gets in meanwhile."""
    async with gateway.open("/chat/completions", STREAM, **PACED) as response:
        first = await response.content.readuntil(b"\n\n")
        gateway.process.send_signal(signal.SIGTERM)
        await assert_refuses_connections(gateway)
        text = (first + await response.read()).decode()
        return Answer(response.status, response.headers, text)


async def assert_refuses_connections(gateway: GatewayProcess) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), aiohttp.ClientSession() as stranger:
        while True:
            try:
                async with stranger.get(f"{gateway.root}/livez") as response:
                    await response.read()
            except aiohttp.ClientError:
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_running_stream_is_finished_and_the_ledger_drained(world: World, workers: int) -> None:
    async with world.process("--workers", str(workers)) as gateway:
        children = psutil.Process(gateway.process.pid).children(recursive=True)
        answer = await terminate_mid_stream(gateway)
        code = await gateway.wait()
    assert code == 0, gateway.log
    assert answer.text.endswith("data: [DONE]\n\n")
    assert chat_text(answer.events)
    assert len(await world.ledger_entries(1)) == 1
    assert "Traceback" not in gateway.log
    assert psutil.wait_procs(children, timeout=PATIENCE_SECONDS)[1] == []


async def test_one_signal_to_the_whole_process_group_leaves_the_grace(world: World) -> None:
    """A terminal and systemd signal each process of a group, and the supervisor passes the signal on, too."""
    async with world.process("--workers", "2") as gateway, gateway.open("/chat/completions", STREAM, **PACED) as answer:
        first = await answer.content.readuntil(b"\n\n")
        for process in psutil.Process(gateway.process.pid).children(recursive=True):
            process.send_signal(signal.SIGTERM)
        gateway.process.send_signal(signal.SIGTERM)
        assert (first + await answer.read()).endswith(b"data: [DONE]\n\n")
        assert await gateway.wait() == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_second_signal_ends_the_grace(world: World, workers: int) -> None:
    endless = {"x_simulate_tps": "1", "x_simulate_tokens": "60"}
    async with (
        world.process("--workers", str(workers)) as gateway,
        gateway.open("/chat/completions", STREAM, **endless) as response,
    ):
        await response.content.readuntil(b"\n\n")
        gateway.process.send_signal(signal.SIGTERM)
        await assert_refuses_connections(gateway)
        gateway.process.send_signal(signal.SIGTERM)
        *_, last = data_of((await response.read()).decode())
        assert last["error"]["code"] == "shutting_down"
        assert await gateway.wait() == 0


async def test_an_idle_one_ends_before_its_grace_time_does(world: World) -> None:
    async with world.process() as gateway:
        async with asyncio.timeout(GRACE_SECONDS - 5):
            assert await gateway.stop(signal.SIGINT) == 0
    assert "Traceback" not in gateway.log


async def test_a_stream_that_outlasts_the_grace_ends_with_an_error_event(world: World) -> None:
    endless = {"x_simulate_tps": "1", "x_simulate_tokens": "60"}
    async with (
        world.process(server={"grace_seconds": 1}) as gateway,
        gateway.open("/chat/completions", STREAM, **endless) as response,
    ):
        await response.content.readuntil(b"\n\n")
        begun = time.monotonic()
        code = await gateway.stop()
        *_, last = data_of((await response.read()).decode())
        assert last["error"]["code"] == "shutting_down"
    assert time.monotonic() - begun > 0.5
    assert code == 0, gateway.log
    await world.wait_for_stats(in_flight=0, cancelled=1)
    (line,) = await world.ledger_entries(1)
    assert line["outcome"] == "shutting_down"
    assert line["estimated"]
    assert line["cost_nanos"] > 0
    assert "Traceback" not in gateway.log
    assert gateway.log.count("the grace is over") == 1


async def test_the_process_above_several_workers_does_not_hold_the_gateway(world: World) -> None:
    async with world.process("--workers", "2") as gateway:
        loaded = {mapped.path for mapped in psutil.Process(gateway.process.pid).memory_maps()}
    assert not any("aiohttp" in path or "uvloop" in path for path in loaded)


async def test_several_workers_share_the_port_and_the_flights(world: World) -> None:
    async with world.process("--workers", "2") as gateway:
        calls = [one_connection(gateway, ask("the same", stream=number % 2 == 0)) for number in range(60)]
        answers = await asyncio.gather(*calls)
        assert {answer.status for answer in answers} == {200}
        assert await world.calls() == 1
        assert await gateway.stop() == 0
    assert len(await world.ledger_entries(60)) == 60


async def test_workers_end_when_the_process_that_started_them_was_killed(world: World) -> None:
    async with world.process("--workers", "2") as gateway:
        children = psutil.Process(gateway.process.pid).children(recursive=True)
        assert len(children) >= 2
        await gateway.stop(signal.SIGKILL)
    _, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=PATIENCE_SECONDS)
    assert alive == []


async def one_connection(gateway: GatewayProcess, body: object) -> Answer:
    headers = {"authorization": f"Bearer {gateway.key}", "x-simulate-latency": "2"}
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{gateway.base_url}/chat/completions", json=body, headers=headers) as response,
    ):
        return Answer(response.status, response.headers, await response.text())


@pytest.fixture
def environment(clean_stores: StoreUrls, redis_prefix: str) -> dict[str, str]:
    """Stores without a key."""
    return {
        "TIDEGATE_DATABASE_URL": clean_stores.database_url,
        "TIDEGATE_REDIS_URL": clean_stores.redis_url,
        "TIDEGATE_REDIS__PREFIX": redis_prefix,
    }


def refused(environment: dict[str, str], folder: Path, *arguments: str) -> str:
    """What it says when it does not start."""
    ended = subprocess.run(
        [sys.executable, "-m", "tidegate", "serve", *arguments],
        cwd=folder, env={**os.environ, **environment},
        capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.mark.parametrize("reference", ["env:TG_MISSING", "file:/missing/admin-key"])
def test_an_admin_key_that_cannot_be_read_ends_the_start(
    environment: dict[str, str], tmp_path: Path, reference: str
) -> None:
    said = refused({**environment, "TIDEGATE_AUTH__ADMIN_KEY": reference}, tmp_path, "--port", str(free_port()))
    assert said.startswith(f"The secret {reference} ")
    assert len(said.strip().splitlines()) == 1


async def test_with_a_key_it_listens_to_all(world: World) -> None:
    async with world.process("--host", "0.0.0.0") as gateway:
        assert (await gateway.chat()).status == 200
        assert await gateway.stop() == 0


def test_a_database_that_is_not_migrated_is_refused(
    environment: dict[str, str], stores: StoreUrls, tmp_path: Path
) -> None:
    said = refused({**environment, "TIDEGATE_DATABASE_URL": stores.database_url}, tmp_path)
    assert "run `tidegate migrate` first" in said


def test_a_port_that_is_taken_is_said(environment: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused(environment, tmp_path, "--port", str(taken.getsockname()[1]))
    assert "another program listens on port" in said
    assert "--port" in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("environment", "arguments", "said"),
    [
        ({"TIDEGATE_UPSTREAM__FIRST_BYTE_SECONDS": "10"}, (), "allow_short_timeouts"),
        ({"TIDEGATE_SERVER__PROT": "1"}, (), "Did you mean TIDEGATE_SERVER__PORT?"),
        ({}, ("--config", "missing.toml"), "There is no configuration file missing.toml"),
    ],
)
def test_a_mistake_is_one_sentence(environment: dict[str, str], arguments: tuple[str, ...], said: str) -> None:
    app = typer.Typer()
    app.command()(serve)
    ended = CliRunner().invoke(app, list(arguments), env=environment)
    assert ended.exit_code == 78
    assert said in ended.output
