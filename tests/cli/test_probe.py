"""The health check finds the address that the gateway listens on, by the standard library and within its CPU time."""

import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import free_port
from tidegate.cli.probe import configured_address, problem_of
from tidegate.core import config

MOST_CPU_SECONDS = 0.1
FOREIGN = {"typer", "pydantic", "redis", "asyncpg", "structlog", "tidegate.core"}


@pytest.mark.parametrize(
    ("environ", "file"),
    [
        ({}, ""),
        ({"TIDEGATE_SERVER__PORT": "9000", "PORT": "9001"}, "[server]\nport = 9002"),
        ({"tidegate_server__host": "0.0.0.0"}, "[server]\nhost = '::1'"),
        ({"PORT": "9001"}, "[server]\nport = 9002\nhost = '::'"),
        ({"PORT": "9001"}, "[queue]\nmax_in_flight = 3"),
        ({"PORT": "tcp://10.0.0.1:80"}, ""),
        ({"PORT": ""}, ""),
    ],
)
def test_it_reads_the_address_that_the_gateway_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], file: str
) -> None:
    (tmp_path / "tidegate.toml").write_text(file)
    monkeypatch.chdir(tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    server = config.load(with_secrets=False).server
    assert configured_address(environ, tmp_path) == (server.host, server.port)


def test_another_file_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[server]\nport = 9002")
    assert configured_address({"TIDEGATE_CONFIG": "own.toml"}, tmp_path) == ("127.0.0.1", 9002)
    assert configured_address({"TIDEGATE_CONFIG": "broken.toml"}, tmp_path) == ("127.0.0.1", 8080)


@pytest.fixture
def saying() -> Iterator[tuple[int, list[bytes]]]:
    """A server that gives each connection the next of the answers, and its port."""
    answers: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                connection.recv(1024)
                connection.sendall(answers.pop(0))

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], answers
        thread.join()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", None),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "/readyz said 503"),
        (b"", "/readyz said nothing"),
        (b"SSH-2.0-other", "/readyz said nothing"),
    ],
)
def test_only_an_answer_of_200_is_healthy(saying: tuple[int, list[bytes]], answer: bytes, says: str | None) -> None:
    port, answers = saying
    answers.append(answer)
    problem = problem_of("0.0.0.0", port)
    assert problem is None if says is None else problem is not None and says in problem


def test_no_gateway_is_one_sentence() -> None:
    port = free_port()
    assert problem_of("127.0.0.1", port) == f"The gateway at 127.0.0.1 port {port} did not answer: Connection refused."


def test_the_command_is_light(tmp_path: Path) -> None:
    program = (
        "import sys; sys.argv = ['tidegate', 'health']\n"
        "from tidegate.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, *sys.modules)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PORT": str(free_port())}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    code, *modules = done.stdout.split()
    assert code == "1"
    assert FOREIGN.isdisjoint(modules)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used < 5 * MOST_CPU_SECONDS, "a busy machine may take five times as long"
