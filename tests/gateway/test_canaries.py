"""Secrets of every kind are planted, errors of every kind are driven, and none of the secrets can be read anywhere."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

import msgspec
import psycopg
import pytest
import redis

from tests.eventually import wait_until
from tests.harness import GatewayProcess, World, ask
from tidegate.auth import key_format
from tidegate.core.process.known_secrets import forms_of
from tidegate.simulator.faults import Fault

FORBIDDEN_NAMES = {"pg_catalog", "information_schema"}
QUICK = {"first_byte_seconds": 2.0, "idle_seconds": 2.0, "total_seconds": 10.0, "allow_short_timeouts": True}
REMEMBERED = 8
"""Characters by which a cut secret is found, too."""


class Planted(msgspec.Struct, frozen=True):
    """The gateway's secrets, of no known form, so that no pattern hides them."""

    upstream: str
    refused: str
    """A new upstream key that the provider refuses."""
    second: str
    """The key of a second provider."""
    database: str
    cache: str
    other_cache: str
    """The password of a new address that cannot be read."""
    admin: str
    caller: str
    wrong: str


@pytest.fixture
def planted(world: World) -> Planted:
    return Planted(
        upstream=canary(),
        refused=canary(),
        second=canary(),
        database=f"{canary()}/@ :%",
        cache=f'{canary()}/@"+?',
        other_cache=canary(),
        admin=canary(),
        caller=world.key,
        wrong=key_format.generate(secrets.token_bytes),
    )


def canary() -> str:
    return f"canary{secrets.token_hex(16)}"


@pytest.fixture
async def gateway(world: World, planted: Planted) -> AsyncIterator[GatewayProcess]:
    cache_url = with_password(world.stores.redis_url, planted.cache, user="default")
    files = {"admin-key": planted.admin, "upstream-key": planted.upstream, "cache-url": cache_url}
    for name, text in files.items():
        await asyncio.to_thread((world.folder / name).write_text, text)
    changed = {
        "database_url": with_password(world.stores.database_url, planted.database),
        "redis_url": f"file:{world.folder / 'cache-url'}",
        "upstream": {"api_key": f"file:{world.folder / 'upstream-key'}", **QUICK},
        "auth": {"admin_key": f"file:{world.folder / 'admin-key'}"},
        "providers": {
            "second": {
                "kind": "openai_compatible",
                "base_url": "http://127.0.0.1:9/v1",
                "credentials": [{"name": "only", "api_key": planted.second}],
            }
        },
        "routes": {"elsewhere": {"targets": [{"provider": "second", "model": "gpt-4o-mini"}]}},
    }
    async with world.process(log_level="debug", **changed) as gateway:
        yield gateway


def with_password(url: str, password: str, user: str = "") -> str:
    """Return the address with a password, which a server without passwords accepts from this user."""
    parts = urlsplit(url)
    name, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user or name.partition(':')[0]}:{quote(password, safe='')}@{host}").geturl()


async def test_no_error_shows_a_secret(world: World, gateway: GatewayProcess, planted: Planted) -> None:
    seen: dict[str, str] = {}
    forms = [(fault, stream) for fault in Fault for stream in (False, True)]
    for start in range(0, len(forms), 6):  # some end with a timeout only
        some = forms[start : start + 6]
        answers = await asyncio.gather(*(told(gateway, fault.value, stream=stream) for fault, stream in some))
        seen.update(
            {f"{fault.value}, stream {stream}": text for (fault, stream), text in zip(some, answers, strict=True)}
        )
    seen["a target that is away"] = shown(await gateway.chat(ask("away", model="elsewhere")))
    await new_secrets_that_cannot_be_used(world, gateway, planted)
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
        if any(form in text for form in (*forms_of(secret), secret[: 6 + REMEMBERED]))
    ]
    assert found == []


async def new_secrets_that_cannot_be_used(world: World, gateway: GatewayProcess, planted: Planted) -> None:
    """Put a key that the provider refuses, an address that is none, and bytes that are no text into the files."""
    await world.set_faults(key=planted.refused[-8:], invalid_key=1)
    for name, content, line in (
        ("upstream-key", planted.refused.encode(), "a new secret is refused"),
        ("cache-url", f"redis://:{planted.other_cache}/@base:port".encode(), "a new secret is later"),
        ("upstream-key", b"\xff\x00" + planted.upstream.encode(), "a secret cannot be read"),
    ):
        await asyncio.to_thread((world.folder / name).write_bytes, content)
        await wait_until(partial(logged, gateway, line))


def logged(gateway: GatewayProcess, line: str) -> bool:
    return line in gateway.log


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
