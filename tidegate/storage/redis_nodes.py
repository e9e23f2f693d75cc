"""Where the keys are: at the address of the URL, or at the node of a Redis Cluster that serves their slot.

All keys of a deployment share one hash tag, so one node has them all. A node that does not have them answers `MOVED`
and names the one that does. `RedisLink` then connects there: one connection, as to a single Redis. If that node goes
away, the other nodes are asked in turn, until one names its successor.
"""

import asyncio
import re
from pathlib import Path
from typing import Any

import redis.asyncio
from redis.asyncio.connection import Connection, ConnectionPool, UnixDomainSocketConnection
from redis.exceptions import MovedError, RedisError

from tidegate.core.config import ConfigError

CONNECT_SECONDS = 2.0

_SCHEMES = ("redis", "rediss", "unix")
_NODE = re.compile(rb"^\w+ ([^\s,@]+):(\d+)[@,\s]", re.MULTILINE)
SENTINEL = (
    "is a Redis Sentinel's, and Tidegate does not speak to Sentinels. Give the address of Redis itself, for example a "
    "name or a proxy that follows the primary, or use Redis Cluster."
)

Address = tuple[str, int]


def check_url(url: str) -> None:
    """Raise ConfigError for an address that cannot be one of Redis."""
    scheme = url.partition(":")[0].lower()
    if "sentinel" in scheme:
        raise ConfigError(f"The address in TIDEGATE_REDIS_URL {SENTINEL}")
    if scheme not in _SCHEMES:
        raise ConfigError(
            f"TIDEGATE_REDIS_URL must begin with redis://, rediss:// or unix://, and not with {scheme}://."
        )


class RedisNodes:
    """The addresses of one Redis or one cluster, of which one is in use."""

    def __init__(self, url: str, *, ca_file: Path | None = None) -> None:
        """`ca_file` has authorities that are trusted besides the system's. Raises ConfigError."""
        self._ca_file = ca_file
        self._others: list[Address | None] = []
        """Where to look next; None is the address of the URL."""
        self.address: Address | None = None
        """The node in use; None for the address of the URL."""
        self._class, self._options = self._read(url)

    def __repr__(self) -> str:
        return f"<RedisNodes {self.address or 'as configured'}>"

    def _read(self, url: str) -> tuple[type[Any], dict[str, Any]]:
        check_url(url)
        # socket_timeout is None: each command has its own timeout, and the reading task itself may wait
        try:
            pool = ConnectionPool.from_url(url, socket_timeout=None, socket_connect_timeout=CONNECT_SECONDS, protocol=2)
            options: dict[str, Any] = pool.connection_kwargs
            pool.connection_class(**options)  # it refuses parameters of the address that it does not know
        except (ValueError, TypeError):
            # without its cause, which cites a part of the address: of a password with a slash, too
            raise ConfigError("TIDEGATE_REDIS_URL cannot be read: its host, port or a parameter is wrong.") from None
        if self._ca_file is not None and url.startswith("rediss:"):
            options["ssl_ca_certs"] = str(self._ca_file)
        return pool.connection_class, options

    async def use_url(self, url: str) -> bool:
        """Use another address for new connections, if Redis answers there; return whether it does."""
        try:
            other = RedisNodes(url, ca_file=self._ca_file)
        except ConfigError:
            return False
        client, pool = other.client()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await client.ping()
        except (RedisError, OSError):  # a timeout is an OSError
            return False
        finally:
            await client.aclose()
            await pool.disconnect()
        self._class, self._options = other._class, other._options  # another one of this class
        self.address, self._others = None, []
        return True

    def follow(self, moved: MovedError) -> bool:
        """Use the node that an answer named; return whether it is another one than before."""
        host = moved.host or (self.address[0] if self.address else self._options.get("host", "localhost"))
        before, self.address = self.address, (host, moved.port)
        self._others = [other for other in (before, *self._others) if other != self.address]
        return before != self.address

    def learn(self, cluster_nodes: bytes) -> None:
        """Remember the nodes in the answer to CLUSTER NODES."""
        nodes = [(host.decode(), int(port)) for host, port in _NODE.findall(cluster_nodes)]
        self._others = [None, *(node for node in nodes if node != self.address)]

    def failed(self) -> None:
        """Use another address next, as the one in use does not answer."""
        if self._others:
            self._others.append(self.address)
            self.address = self._others.pop(0)

    def connection(self) -> Connection:
        """Return a new connection to the node in use, not yet connected."""
        kind, options = self._target()
        connection: Connection = kind(**options)
        return connection

    def client(self) -> tuple["redis.asyncio.Redis", ConnectionPool]:
        """Return a client of the node in use with connections of its own, and their pool."""
        kind, options = self._target()
        pool = ConnectionPool(connection_class=kind, **options)
        return redis.asyncio.Redis(connection_pool=pool), pool

    def _target(self) -> tuple[type[Any], dict[str, Any]]:
        if self.address is None:
            return self._class, self._options
        options = {name: value for name, value in self._options.items() if name != "path"}
        kind = Connection if issubclass(self._class, UnixDomainSocketConnection) else self._class
        return kind, {**options, "host": self.address[0], "port": self.address[1]}
