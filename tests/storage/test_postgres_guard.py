"""Whatever answers at PostgreSQL's address, a connection fails in bounded time: the process never hangs."""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from asyncpg.protocol import Protocol

from tests.eventually import PATIENCE_SECONDS
from tests.storage.poolers import needs_pgbouncer, pgbouncer
from tests.storage.redis_servers import make_certificate
from tests.storage.strangers import STRANGERS, stranger
from tidegate.storage.postgres import Postgres
from tidegate.storage.postgres_guard import NotPostgres, StartupCheck

CONNECT = """
import asyncio, sys
from tidegate.core.errors import PostgresUnavailable
from tidegate.storage.postgres import Postgres

async def connect(name, url):
    try:
        async with asyncio.timeout(20):
            await Postgres(url, size=1, timeout=0.5).ping()
    except PostgresUnavailable as error:
        print(name, error.message, sep=": ", flush=True)

async def connect_to_all():
    words = sys.argv[1:]
    await asyncio.gather(*(connect(name, url) for name, url in zip(words[::2], words[1::2])))

asyncio.run(connect_to_all())
"""


@pytest.mark.parametrize("tls", ["prefer", "disable"])
async def test_a_stranger_cannot_hang_the_process(tls: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        words: list[str] = []
        for name in STRANGERS:
            port = await stack.enter_async_context(stranger(name))
            words += [name, f"postgresql://user:hidden@127.0.0.1:{port}/none?sslmode={tls}"]
        process = await asyncio.create_subprocess_exec(  # a process of its own: it could not be stopped in this one
            sys.executable, "-c", CONNECT, *words, stdout=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    said = dict(line.split(": ", 1) for line in output.decode().splitlines())
    assert set(said) == set(STRANGERS)
    assert process.returncode == 0
    assert all(words.startswith("PostgreSQL cannot be used: ") and "hidden" not in words for words in said.values())


@needs_pgbouncer
@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("tls", ["disable", "prefer", "require", "verify-full"])
async def test_what_is_postgresql_is_used_with_and_without_tls(
    database_url: str, open_folder: Path, make_loop: Callable[[], asyncio.AbstractEventLoop], tls: str
) -> None:
    certificate, key = make_certificate(open_folder)
    for path, mode in ((open_folder, 0o755), (certificate, 0o644), (key, 0o644)):  # PgBouncer is another user
        path.chmod(mode)
    options: dict[str, Any] = {
        "client_tls_sslmode": "allow",
        "client_tls_cert_file": certificate,
        "client_tls_key_file": key,
    }
    async with pgbouncer(database_url, size=1, **options) as url:
        is_encrypted = await asyncio.to_thread(run_in_loop, make_loop, f"{url}?sslmode={tls}&sslrootcert={certificate}")
    assert is_encrypted is (tls != "disable")


def run_in_loop(make_loop: Callable[[], asyncio.AbstractEventLoop], url: str) -> bool:
    """Send large texts both ways, and return whether the connection is encrypted."""

    async def use() -> bool:
        postgres = Postgres(url, size=1, timeout=20.0)
        try:
            async with postgres.connection() as connection:
                for size in (1, 1_000, 3_000_000):
                    text = "tide" * size
                    assert await connection.fetchval("SELECT $1::text", text) == text
                return connection._transport.get_extra_info("ssl_object") is not None  # type: ignore[attr-defined]  # noqa: SLF001  # nothing else says it
        finally:
            await postgres.close()

    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(use())


class _Reader(Protocol):
    """asyncpg's protocol, which notes what it is given."""

    def __init__(self) -> None:
        self.given = b""
        self.ended: Exception | None = None

    def data_received(self, data: Any) -> None:
        self.given += data

    def connection_made(self, transport: Any) -> None:
        """Keep no transport."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = exc


READY = b"R\0\0\0\x08\0\0\0\0" + b"S\0\0\0\x09a\0b\0\0" + b"K\0\0\0\x0c" + bytes(8) + b"Z\0\0\0\x05I"


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100])
def test_what_is_postgresql_is_passed_on_in_any_pieces_and_then_no_longer_checked(step: int) -> None:
    reader, transport = _Reader(), _FakeTransport()
    check = StartupCheck(reader)
    check.connection_made(transport)
    for start in range(0, len(READY), step):
        (transport.protocol or check).data_received(READY[start : start + step])
        is_over = start + step > len(READY) - 2
        assert (transport.protocol is reader) == is_over
    assert reader.given == READY


@pytest.mark.parametrize(
    "words",
    [bytes(5), b"HTTP/", b"R\0\0\0\x03", b"R\xff\xff\xff\xff", b"E\x7f\0\0\0", READY[:9] + bytes(1), b"D\0\0\0\x05"],
)
@pytest.mark.parametrize("step", [1, 100])
def test_what_is_not_is_cut_off_before_it_is_read(words: bytes, step: int) -> None:
    reader, transport = _Reader(), _FakeTransport()
    check = StartupCheck(reader)
    check.connection_made(transport)
    for start in range(0, len(words), step):
        if not transport.aborted:
            check.data_received(words[start : start + step])
    assert isinstance(reader.ended, NotPostgres)
    assert transport.aborted


class _FakeTransport:
    """Notes who reads from it."""

    def __init__(self) -> None:
        self.protocol: Any = None
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol
