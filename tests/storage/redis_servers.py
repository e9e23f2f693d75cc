"""Redis servers of other kinds: a cluster, a sentinel, one with users, one behind TLS. They use loopback alone."""

import asyncio
import contextlib
import random
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis

from tests.eventually import wait_until
from tidegate.storage.embedded import redis_binary
from tidegate.storage.redis import RedisLink

SLOTS = 16_384
_BUS_OFFSET = 10_000
"""What Redis adds to a node's port for the port on which the nodes talk to each other."""


def free_port() -> int:
    """Return a port that is free together with the one of its bus. The system gives neither to a client meanwhile."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000 - _BUS_OFFSET)
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as bus:
            one.bind(("127.0.0.1", port))
            bus.bind(("127.0.0.1", port + _BUS_OFFSET))
            return port


@contextlib.asynccontextmanager
async def redis_server(folder: Path, *options: str, binary: str = "") -> AsyncIterator[int]:
    """Run a server in a folder of its own, from the given binary or the embedded one's; yield its port."""
    port = free_port()
    own = folder / f"redis-{port}"
    own.mkdir()
    config = own / "redis.conf"
    config.write_text("\n".join(["bind 127.0.0.1", f"port {port}", f"dir {own}", 'save ""', *options]) + "\n")
    sentinel = ("--sentinel",) if any(option.startswith("sentinel ") for option in options) else ()
    with (own / "log").open("wb") as log:
        command = (binary or redis_binary(), str(config), *sentinel)
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        try:
            await wait_until(lambda: process.returncode is not None or _listens(port))
            assert process.returncode is None, (own / "log").read_text()
            yield port
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def fill_memory(link: RedisLink, ratio: float) -> None:
    """Set `maxmemory` so that Redis uses this part of it."""
    await link.command("CONFIG", "SET", "maxmemory", 0)
    await link.command("SETRANGE", "ballast", 30_000_000, "b")  # beside it, buffers do not change the ratio
    used = int((await link.command("INFO", "memory")).partition(b"used_memory:")[2].partition(b"\r")[0])
    await link.command("CONFIG", "SET", "maxmemory", int(used / ratio))


def _listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


class ClusterNodes:
    """The nodes of a cluster, and which of them serves a slot."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self.clients: dict[int, Any] = {port: redis.Redis(port=port) for port in ports}

    def slot_of(self, key: str) -> int:
        """Return the slot of a key."""
        return int(self._ask(self.ports[0], "KEYSLOT", key))

    def move(self, slot: int, port: int) -> None:
        """Give a slot to another node, with nothing in it."""
        name = self._ask(port, "MYID").decode()
        for client in self.clients.values():
            while keys := client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1000):
                client.delete(*keys)
        for other in [port, *self.ports]:
            self._ask(other, "SETSLOT", slot, "NODE", name)

    async def form(self) -> None:
        """Make the nodes one cluster, each with an equal share of the slots."""
        share = -(-SLOTS // len(self.ports))
        for number, port in enumerate(self.ports):
            self._ask(port, "ADDSLOTS", *range(number * share, min((number + 1) * share, SLOTS)))
            self._ask(port, "SET-CONFIG-EPOCH", number + 1)
            if number:
                self._ask(port, "MEET", "127.0.0.1", self.ports[0])
        await wait_until(lambda: all(self._is_whole(port) for port in self.ports))

    def _is_whole(self, port: int) -> bool:
        info = self._ask(port, "INFO")
        state = info if isinstance(info, dict) else dict(line.split(":") for line in info.decode().split())
        return state["cluster_state"] == "ok" and int(state["cluster_known_nodes"]) == len(self.ports)

    def _ask(self, port: int, *command: str | int) -> bytes:
        client = self.clients[port]
        client.response_callbacks.clear()
        answer: bytes | int = client.execute_command("CLUSTER", *command)
        return str(answer).encode() if isinstance(answer, int) else answer


@contextlib.asynccontextmanager
async def redis_cluster(folder: Path, nodes: int) -> AsyncIterator[ClusterNodes]:
    """Run a cluster of so many nodes."""
    options = ("cluster-enabled yes", "cluster-node-timeout 2000", "cluster-require-full-coverage no")
    async with contextlib.AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(redis_server(folder, *options)) for _ in range(nodes)]
        cluster = ClusterNodes(ports)
        for client in cluster.clients.values():
            stack.callback(client.close)
        await cluster.form()
        yield cluster


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Return the files of a certificate for 127.0.0.1, which is its own authority, and of its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=redis",
            "-addext", "subjectAltName=IP:127.0.0.1",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


@contextlib.asynccontextmanager
async def tls_before(url: str, certificate: Path, key: Path) -> AsyncIterator[str]:
    """Terminate TLS in front of a Redis without it; yield the address."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    there = urlsplit(url)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(there.hostname, there.port)
            both = [asyncio.create_task(_pump(reader, far_writer)), asyncio.create_task(_pump(far_reader, writer))]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task, end in zip(both, (far_writer, writer), strict=True):
                task.cancel()
                end.transport.abort()
            await asyncio.gather(*both, return_exceptions=True)

    server = await asyncio.start_server(carry, "127.0.0.1", 0, ssl=context)
    yield f"rediss://127.0.0.1:{server.sockets[0].getsockname()[1]}{there.path}"
    server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
