"""Secrets of every kind are planted, errors of every kind are driven, and none of the secrets can be read anywhere."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import psycopg
import pytest
import redis

from tests.harness import GatewayProcess, World, ask
from tidegate.auth import key_format
from tidegate.simulator.faults import Fault

FORBIDDEN_NAMES = {"pg_catalog", "information_schema"}
SLOW = {Fault.STALL, Fault.TIMEOUT}
"""They end with a timeout of minutes, and their errors are built as those of a lost connection are."""


class Planted(msgspec.Struct, frozen=True):
    """The gateway's secrets, of no known form, so that no pattern hides them."""

    upstream: str
    database: str
    cache: str
    admin: str
    caller: str
    wrong: str


@pytest.fixture
def planted(world: World) -> Planted:
    return Planted(
        upstream=f"canary{secrets.token_hex(16)}",
        database=f"canary{secrets.token_hex(16)}",
        cache=f"canary{secrets.token_hex(16)}",
        admin=f"canary{secrets.token_hex(16)}",
        caller=world.key,
        wrong=key_format.generate(secrets.token_bytes),
    )


@pytest.fixture
async def gateway(world: World, planted: Planted) -> AsyncIterator[GatewayProcess]:
    admin_file = world.folder / "admin-key"
    await asyncio.to_thread(admin_file.write_text, planted.admin)
    changed = {
        "database_url": with_password(world.stores.database_url, planted.database),
        "redis_url": with_password(world.stores.redis_url, planted.cache, user="default"),
        "upstream": {"api_key": planted.upstream},
        "auth": {"admin_key": f"file:{admin_file}"},
    }
    async with world.process(**changed) as gateway:
        yield gateway


def with_password(url: str, password: str, user: str = "") -> str:
    """Return the address with a password, which a server without passwords accepts from this user."""
    parts = urlsplit(url)
    name, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user or name.partition(':')[0]}:{password}@{host}").geturl()


async def test_no_error_shows_a_secret(world: World, gateway: GatewayProcess, planted: Planted) -> None:
    seen: dict[str, str] = {}
    for fault in (fault for fault in Fault if fault not in SLOW):
        for stream in (False, True):
            seen[f"{fault.value}, stream {stream}"] = await told(gateway, fault.value, stream=stream)
    for name, key in (("wrong key", planted.wrong), ("key in a list", f"{planted.caller},{planted.wrong}")):
        seen[name] = shown(await gateway.chat(authorization=f"Bearer {key}"))
    seen["body"] = shown(await gateway.call("/chat/completions", b"{not json", content_type="application/json"))
    async with world.http.get(
        f"{gateway.root}/metrics", headers={"authorization": f"Bearer {planted.admin}"}
    ) as metrics:
        assert metrics.status == 200
        seen["metrics"] = await metrics.text()
    await world.all_entries()
    seen["command lines"] = await asyncio.to_thread(command_lines, gateway.process.pid)
    seen["PostgreSQL"] = await asyncio.to_thread(rows_of_every_table, world.stores.database_url)
    seen["Redis"] = await asyncio.to_thread(values_of_every_key, world.stores.redis_url, world.prefix)
    assert await gateway.stop() == 0
    seen["output"] = gateway.log

    parts = {"PostgreSQL": "shop", "Redis": world.prefix, "command lines": "serve", "output": "severity"}
    for place, part in parts.items():
        assert part in seen[place], "each place was read"
    found = [
        (place, name)
        for place, text in seen.items()
        for name, secret in msgspec.structs.asdict(planted).items()
        if secret in text
    ]
    assert found == []


async def told(gateway: GatewayProcess, fault: str, *, stream: bool) -> str:
    """Return everything that a caller is told of a call with this fault."""
    return shown(await gateway.chat(ask(f"{fault} {stream}", stream=stream), x_simulate_fault=fault))


def shown(answer: object) -> str:
    text, headers = getattr(answer, "text", ""), getattr(answer, "headers", {})
    assert isinstance(headers, Mapping)
    return f"{dict(headers)} {text}"


def command_lines(pid: int) -> str:
    """Return the command lines of a process and of its children, as `ps` shows them."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return " ".join(Path(f"/proc/{process}/cmdline").read_text() for process in [str(pid), *children])


def rows_of_every_table(url: str) -> str:
    with psycopg.connect(url) as database:
        tables = database.execute(
            "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables WHERE schemaname <> ALL (%s)",
            [list(FORBIDDEN_NAMES)],
        ).fetchall()
        return "\n".join(
            str(database.execute(f"SELECT t::text FROM {table} AS t".encode()).fetchall())  # noqa: S608  # names of the catalog
            for (table,) in tables
        )


def values_of_every_key(url: str, prefix: str) -> str:
    """Return the names and values of the gateway's keys, as Redis would write them to its disk."""
    with redis.Redis.from_url(url) as store:
        names = [name for name in store.scan_iter(count=1000) if prefix.encode() in name]
        return "\n".join(f"{name!r} {store.dump(name)!r}" for name in names)
