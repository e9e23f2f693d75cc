"""Ports for programs that take several in a row, without a port that the system gives to another one meanwhile."""

import contextlib
import os
import socket

_FIRST, _LAST = 10_000, 32_000
"""Below the ports that systems give to clients: Linux begins at 32,768, macOS at 49,152."""
_BLOCK = 40


def first_of_free_ports(count: int = 20) -> int:
    """Return a port that is free, as are those after it, up to `count`. Each process of the suite begins elsewhere."""
    blocks = (_LAST - _FIRST) // _BLOCK
    for number in range(blocks):
        first = _FIRST + (os.getpid() + number) % blocks * _BLOCK
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in range(first, first + count):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
    raise AssertionError(f"no {count} ports in a row are free")
