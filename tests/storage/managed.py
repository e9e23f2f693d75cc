"""Stores as the clouds give them: a cluster of six nodes of Redis or Valkey, and a PgBouncer, with TLS and a password.

The wheels' servers have no TLS, so these need Debian's packages `redis-tools` and `valkey-tools`, which have the
servers too, and `pgbouncer`. `.ci/run` installs them and sets `REQUIRE_MANAGED`. Elsewhere the tests are skipped
without them, as those with Valkey are everywhere: Debian 12 has it only among its backports.
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

__all__ = ["CLUSTERS", "TlsCluster", "needs_pgbouncer", "tls_cluster", "tls_pgbouncer"]

PASSWORD = "correct-horse"  # of servers that live as long as a test
_SERVERS = {name: shutil.which(f"{name}-check-rdb") for name in ("redis", "valkey")}
"""The same program as the server, which the name decides; the package with the server itself also starts one."""


def _needs(name: str, *, required: bool) -> pytest.MarkDecorator:
    missing = _SERVERS[name] is None and not required
    return pytest.mark.skipif(missing, reason=f"no {name} with TLS; on Debian: apt-get install {name}-tools")


CLUSTERS = [
    pytest.param("redis", marks=_needs("redis", required=bool(os.environ.get("REQUIRE_MANAGED")))),
    pytest.param("valkey", marks=_needs("valkey", required=False)),
]
"""The programs of which there may be a cluster, as parameters of a test."""


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

    async def master_of(self, key: str) -> int:
        """Return the port of the master that has a key, once all living nodes agree that it is this one."""
        seen: set[int] = set()

        def agree() -> bool:
            alive = [port for port in self.ports if self.processes[port].returncode is None]
            seen.clear()
            seen.update(self._master_seen_by(port, key) for port in alive)
            return len(seen) == 1 and seen <= set(alive)

        await wait_until(agree)
        return seen.pop()

    def _master_seen_by(self, node: int, key: str) -> int:
        slot = int(self.ask(node, "CLUSTER", "KEYSLOT", key))
        owners = (
            int(port) for first, last, (_, port, *_), *_ in self.ask(node, "CLUSTER", "SLOTS") if first <= slot <= last
        )
        return next(owners, 0)

    async def fail_over(self, key: str) -> int:
        """Kill the master that has a key as soon as its replica has what it has; return the port of its successor."""
        master = await self.master_of(key)
        assert await asyncio.to_thread(self.ask, master, "WAIT", 1, int(1000 * PATIENCE_SECONDS)) == 1
        self.processes[master].kill()
        await self.processes[master].wait()
        return await self.master_of(key)

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
async def tls_cluster(folder: Path, certificate: Path, key: Path, kind: str = "redis") -> AsyncIterator[TlsCluster]:
    """Run a cluster of six nodes that speak TLS with everyone and among themselves, and want a password."""
    server = _SERVERS[kind]
    assert server is not None, f"REQUIRE_MANAGED is set, but there is no {kind}-check-rdb"
    program = folder / f"{kind}-server"
    program.symlink_to(server)
    cluster = TlsCluster([free_port() for _ in range(6)], certificate)
    options = (
        "bind 127.0.0.1", "port 0", 'save ""', f"requirepass {PASSWORD}", f"masterauth {PASSWORD}",
        "tls-replication yes", "tls-cluster yes", "tls-auth-clients no", f"tls-ca-cert-file {certificate}",
        f"tls-cert-file {certificate}", f"tls-key-file {key}", "cluster-enabled yes", "cluster-node-timeout 2000",
        "repl-diskless-sync-delay 0", "cluster-replica-validity-factor 0",
    )  # fmt: skip
    async with contextlib.AsyncExitStack() as stack:
        for port in cluster.ports:
            own = folder / f"node-{port}"
            own.mkdir()
            (own / "server.conf").write_text("\n".join([*options, f"tls-port {port}", f"dir {own}"]) + "\n")
            log = stack.enter_context((own / "log").open("wb"))
            process = await asyncio.create_subprocess_exec(
                str(program), str(own / "server.conf"), stdout=log, stderr=log
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
