"""Stores as the clouds give them: a Redis Cluster of six nodes, and a PgBouncer, both with TLS and a password.

The wheels' servers have no TLS, so these need Debian's packages `redis-tools`, which has the server too, and
`pgbouncer`. `.ci/run` installs both and sets `REQUIRE_MANAGED`. Elsewhere the tests are skipped without them.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from tests.eventually import PATIENCE_SECONDS, wait_until
from tests.storage.poolers import needs_pgbouncer, pgbouncer
from tests.storage.redis_servers import SLOTS, free_port

__all__ = ["TlsCluster", "needs_pgbouncer", "needs_tls_redis", "tls_cluster", "tls_pgbouncer"]

PASSWORD = "correct-horse"  # of servers that live as long as a test
_SERVER = shutil.which("redis-check-rdb")
"""The same program as `redis-server`, which the name decides; the package with the server itself also starts one."""

needs_tls_redis = pytest.mark.skipif(
    _SERVER is None and not os.environ.get("REQUIRE_MANAGED"),
    reason="there is no Redis with TLS; on Debian: apt-get install redis-tools",
)


class TlsCluster:
    """Three masters with a replica each."""

    def __init__(self, ports: Sequence[int], certificate: Path) -> None:
        self.ports = ports
        self.processes: dict[int, asyncio.subprocess.Process] = {}
        self._certificate = certificate

    def url(self, number: int) -> str:
        """Return the address of one node."""
        return f"rediss://:{PASSWORD}@127.0.0.1:{self.ports[number]}"

    def ask(self, port: int, *command: str | int) -> Any:
        """Return a node's answer."""
        with redis.Redis("127.0.0.1", port, password=PASSWORD, ssl=True, ssl_ca_certs=str(self._certificate)) as client:
            client.response_callbacks.clear()
            return client.execute_command(*command)

    def master_of(self, key: str) -> int:
        """Return the port of the master that has a key, as a living node sees it."""
        alive = [port for port in self.ports if self.processes[port].returncode is None]
        slot = int(self.ask(alive[0], "CLUSTER", "KEYSLOT", key))
        for first, last, (_, port, *_), *_ in self.ask(alive[0], "CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return int(port)
        raise AssertionError(f"no node has the slot {slot}")

    async def until_copied(self, port: int) -> None:
        """Wait until a master's replica has what the master has."""
        assert await asyncio.to_thread(self.ask, port, "WAIT", 1, int(1000 * PATIENCE_SECONDS)) == 1

    async def kill(self, port: int) -> None:
        """End a node at once."""
        self.processes[port].kill()
        await self.processes[port].wait()

    async def form(self) -> None:
        """Meet, share the slots, and give each master its replica."""
        masters, replicas = self.ports[:3], self.ports[3:]
        share = -(-SLOTS // len(masters))
        for number, port in enumerate(self.ports):
            self.ask(port, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number:
                self.ask(port, "CLUSTER", "MEET", "127.0.0.1", masters[0])
        for number, port in enumerate(masters):
            self.ask(port, "CLUSTER", "ADDSLOTS", *range(number * share, min((number + 1) * share, SLOTS)))
        await wait_until(
            lambda: all(f"cluster_known_nodes:{len(self.ports)}" in self._info(port) for port in self.ports)
        )
        for master, replica in zip(masters, replicas, strict=True):
            self.ask(replica, "CLUSTER", "REPLICATE", self.ask(master, "CLUSTER", "MYID").decode())
        await wait_until(lambda: all("cluster_state:ok" in self._info(port) for port in self.ports))
        await wait_until(lambda: all(b"master_link_status:up" in self.ask(port, "INFO") for port in replicas))

    def _info(self, port: int) -> str:
        return str(self.ask(port, "CLUSTER", "INFO").decode())


@contextlib.asynccontextmanager
async def tls_cluster(folder: Path, certificate: Path, key: Path) -> AsyncIterator[TlsCluster]:
    """Run a cluster of six nodes that speak TLS with everyone and among themselves, and want a password."""
    assert _SERVER is not None, "REQUIRE_MANAGED is set, but there is no redis-check-rdb"
    program = folder / "redis-server"
    program.symlink_to(_SERVER)
    cluster = TlsCluster([free_port() for _ in range(6)], certificate)
    options = (
        "bind 127.0.0.1", "port 0", 'save ""', f"requirepass {PASSWORD}", f"masterauth {PASSWORD}",
        "tls-replication yes", "tls-cluster yes", "tls-auth-clients no", f"tls-ca-cert-file {certificate}",
        f"tls-cert-file {certificate}", f"tls-key-file {key}", "cluster-enabled yes", "cluster-node-timeout 2000",
        "repl-diskless-sync-delay 0",
    )  # fmt: skip
    async with contextlib.AsyncExitStack() as stack:
        for port in cluster.ports:
            own = folder / f"node-{port}"
            own.mkdir()
            (own / "redis.conf").write_text("\n".join([*options, f"tls-port {port}", f"dir {own}"]) + "\n")
            log = stack.enter_context((own / "log").open("wb"))
            process = await asyncio.create_subprocess_exec(
                str(program), str(own / "redis.conf"), stdout=log, stderr=log
            )
            cluster.processes[port] = process
            stack.push_async_callback(_end, process)
        for port in cluster.ports:
            await wait_until(lambda: _answers(cluster, port))  # noqa: B023  # awaited here
        await cluster.form()
        yield cluster


@contextlib.asynccontextmanager
async def tls_pgbouncer(database_url: str, certificate: Path, key: Path) -> AsyncIterator[tuple[str, str]]:
    """Run a PgBouncer that wants TLS and a password; yield the right address, and the same with a wrong password."""
    with tempfile.TemporaryDirectory(prefix="tidegate-pgbouncer-tls-") as name:
        folder = Path(name)
        _fill(folder, certificate, key)
        options: dict[str, Any] = {
            "auth_type": "scram-sha-256",
            "auth_file": folder / "users",
            "client_tls_sslmode": "require",
            "client_tls_cert_file": folder / certificate.name,
            "client_tls_key_file": folder / key.name,
        }
        async with pgbouncer(database_url, size=6, **options) as url:
            parts = urlsplit(url)
            words = f"sslmode=verify-full&sslrootcert={certificate}"
            right, wrong = (f"tide:{word}@127.0.0.1:{parts.port}" for word in (PASSWORD, "wrong"))
            yield (
                parts._replace(netloc=right, query=words).geturl(),
                parts._replace(netloc=wrong, query=words).geturl(),
            )


def _fill(folder: Path, certificate: Path, key: Path) -> None:
    """Write what PgBouncer reads, which runs as another user."""
    (folder / "users").write_text(f'"tide" "{PASSWORD}"\n')
    for file in (certificate, key):
        shutil.copy(file, folder)
    for file in (folder, *folder.iterdir()):
        file.chmod(0o755)


def _answers(cluster: TlsCluster, port: int) -> bool:
    assert cluster.processes[port].returncode is None
    try:
        return bool(cluster.ask(port, "PING") == b"PONG")
    except redis.ConnectionError:
        return False


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
