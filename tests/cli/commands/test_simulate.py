"""The command says where it listens, answers, and ends cleanly when it is told to."""

import asyncio
import re
import signal
import sys

import aiohttp
import pytest
import typer

from tests.eventually import PATIENCE_SECONDS
from tidegate.cli.commands.simulate import parse_deployments, parse_faults

START = "import typer; from tidegate.cli.commands.simulate import simulate; typer.run(simulate)"


async def start(*arguments: str) -> asyncio.subprocess.Process:
    """The command in a process of its own."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, "-u", "-c", START, *arguments, stdout=pipe, stderr=pipe)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_listens_answers_and_ends(number: signal.Signals) -> None:
    process = await start("--port", "0", "--fault", "overloaded=1")
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        said = (await process.stdout.readline()).decode()
        found = re.search(r"listens on (\S+)", said)
        assert found
        key = {"authorization": "Bearer any"}
        async with aiohttp.ClientSession() as client, client.get(f"{found.group(1)}/models", headers=key) as answer:
            assert answer.status == 503
        process.send_signal(number)
        _, complaints = await process.communicate()
    assert (process.returncode, complaints) == (0, b"")


async def test_a_port_that_is_taken_is_said_plainly() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server, asyncio.timeout(PATIENCE_SECONDS):
        process = await start("--port", str(server.sockets[0].getsockname()[1]))
        _, complaints = await process.communicate()
    assert process.returncode == 1
    assert b"Pass another --port" in complaints
    assert b"Traceback" not in complaints


def test_faults_are_read_from_names_and_probabilities() -> None:
    assert parse_faults(["rate_limited=0.05", "timeout"]) == ({"rate_limited": 0.05, "timeout": 1.0}, {})
    assert parse_faults(["out_of_quota@ab12", "overloaded"]) == ({"overloaded": 1.0}, {"ab12": {"out_of_quota": 1.0}})


def test_deployments_stand_for_models() -> None:
    assert parse_deployments(["four-o=gpt-4o", "gpt-4o-mini"]) == {"four-o": "gpt-4o", "gpt-4o-mini": "gpt-4o-mini"}
    with pytest.raises(typer.BadParameter):
        parse_deployments(["=gpt-4o"])


@pytest.mark.parametrize("given", ["lightning=1", "timeout=2", "timeout=often", ""])
def test_what_is_no_fault_is_refused(given: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_faults([given])
