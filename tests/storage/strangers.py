"""Servers that are neither PostgreSQL nor Redis, at the address of a store. They listen on loopback alone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

HTTP = b"HTTP/1.1 400 Bad Request\r\nserver: nginx\r\ncontent-length: 0\r\n\r\n"
ZEROS = bytes(65_536)
NOISE = bytes(range(256)) * 256
_AUTHENTICATED = b"R" + (8).to_bytes(4) + bytes(4)

STRANGERS: dict[str, tuple[bytes, bytes]] = {
    "says nothing": (b"", b""),
    "sends zeros": (ZEROS, ZEROS),
    "refuses TLS and sends zeros": (b"N", ZEROS),
    "refuses TLS and sends noise": (b"N", NOISE),
    "refuses TLS and sends HTTP": (b"N", HTTP),
    "refuses TLS and says nothing": (b"N", b""),
    "offers TLS and sends zeros": (b"S", ZEROS),
    "offers TLS and says nothing": (b"S", b""),
    "speaks HTTP": (HTTP, HTTP),
    "lets in and sends zeros": (b"N", _AUTHENTICATED + ZEROS),
    "lets in and says nothing": (b"N", _AUTHENTICATED),
    "names an endless message": (b"N", b"R\x7f\xff\xff\xff" + ZEROS),
}
"""What such a server answers to the first thing it reads, and to each later one."""


@contextlib.asynccontextmanager
async def stranger(name: str) -> AsyncIterator[int]:
    """Run one of `STRANGERS`; yield its port."""
    first, later = STRANGERS[name]
    writers: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(OSError):
            said = first
            while await reader.read(65_536):
                writer.write(said)
                await writer.drain()
                said = later

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
