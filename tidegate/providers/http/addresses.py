"""Looks up the addresses of upstreams, without blocking, and opens sockets to them."""

import asyncio
import contextlib
import ipaddress
import socket
from typing import Any

import aiohappyeyeballs

_KEPT_SECONDS = 30.0
"""How long a name's addresses are used again, in seconds."""
_MOST_NAMES = 1000
_NEXT_ADDRESS_SECONDS = 0.25
"""After which the next address is tried beside the first (RFC 8305, section 5)."""
_PROBE_SECONDS = 60
"""Between probes of a silent connection: without them, gateways in between forget it while a model thinks."""

_AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]


class Addresses:
    """The addresses of upstreams by name and port; equal look-ups share one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """None is known yet."""
        self._loop = loop
        self._known: dict[tuple[str, int], tuple[float, asyncio.Task[list[_AddressInfo]]]] = {}

    async def connect(self, host: str, port: int) -> socket.socket:
        """Return a connected socket. Raises OSError; a name that cannot be looked up is `socket.gaierror`."""
        infos = await self._look_up(host, port)
        try:
            opened = await aiohappyeyeballs.start_connection(
                infos,
                happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS,
                interleave=1,
                loop=self._loop,
            )
        except OSError:
            self._known.pop((host, port), None)  # they may have moved
            raise
        _keep_alive(opened)
        return opened

    def close(self) -> None:
        """End the look-ups in progress."""
        for _, task in self._known.values():
            task.cancel()
        self._known.clear()

    async def _look_up(self, host: str, port: int) -> list[_AddressInfo]:
        with contextlib.suppress(ValueError):
            is_v6 = ipaddress.ip_address(host).version == 6
            family = socket.AF_INET6 if is_v6 else socket.AF_INET
            return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0) if is_v6 else (host, port))]
        now = self._loop.time()
        known = self._known.get((host, port))
        if known is None or known[0] <= now or (known[1].done() and _failed(known[1])):
            if len(self._known) >= _MOST_NAMES:
                self._known.clear()
            task = self._loop.create_task(self._ask(host, port))
            known = self._known[host, port] = (now + _KEPT_SECONDS, task)
        return await asyncio.shield(known[1])  # a call that is cancelled must not end it for the others

    async def _ask(self, host: str, port: int) -> list[_AddressInfo]:
        flags = socket.AI_ADDRCONFIG
        return list(await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags))


def _failed(task: asyncio.Task[list[_AddressInfo]]) -> bool:
    return task.cancelled() or task.exception() is not None


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):  # not every system has them
        if (option := getattr(socket, name, None)) is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, _PROBE_SECONDS)
