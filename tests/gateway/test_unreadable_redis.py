"""Whatever stands in Redis under the gateway's names: calls are answered, and the gateway is healthy afterwards.

Each kind of key is replaced by each kind of nonsense, at a running gateway. A value that cannot be read is a miss, or
is set aside and made anew. It is no error until it expires.
"""

import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import psycopg
import pytest

from tests.eventually import wait_until_async
from tests.harness import Gateway, World, ask
from tidegate.auth.grants import KeyChange, LimitsChange, ProjectChange
from tidegate.auth.project_store import ProjectStore
from tidegate.core.clock import SystemClock
from tidegate.limits.budget_calendar import period_of
from tidegate.limits.budget_store import BudgetStore
from tidegate.storage.names import KINDS, RedisNames
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

pytestmark = pytest.mark.long

LANE = "openai/default/gpt-4o-mini"
RICH = LimitsChange(rpm=100_000, rpd=100_000, tpm=10**9, concurrency=1000, budget_day=10**12, budget_month=10**13)
KEYS = sorted(kind for kind, about in KINDS.items() if about.type not in ("channel", "any"))
JSON = msgspec.json.encode({"version": 99, "n": 1, "at": "soon", "kind": []})
NONSENSE: dict[str, bytes] = {
    "empty": b"",
    "garbage": b"\xff\x00\xc1garbage",
    "another format": JSON,
    "another version": msgspec.msgpack.encode({"version": 99, "limits": "none"}),
    "a negative number": b"-17",
}


class Damage:
    """Replaces values in the Redis of one gateway."""

    def __init__(self, world: World, gateway: Gateway, link: RedisLink, key: str, key_id: str) -> None:
        self._world = world
        self._gateway = gateway
        self._link = link
        self._names = RedisNames(world.prefix)
        self._key = key
        self.key_id = key_id
        self._scope = f"key/{key_id}"
        self._numbers = itertools.count()
        self._cached = ask("Is it stored?", user="ada")

    async def call(self) -> None:
        """Make calls that use every part of Redis, and look at their answers."""
        for body in (ask(f"question {next(self._numbers)}", user="ada"), self._cached):
            answer = await self._gateway.chat(body, authorization=self._key)
            assert answer.status == 200, answer.text
            assert answer.json["choices"][0]["message"]["content"]

    async def is_healthy(self) -> bool:
        """Return whether calls are stored, budgets counted and the ledger drained."""
        fresh = ask(f"fresh {next(self._numbers)}", user="ada")
        first = await self._gateway.chat(fresh, authorization=self._key)
        second = await self._gateway.chat(fresh, authorization=self._key)
        state = (await self._gateway.call("/readyz")).status
        caches = [answer.headers.get("x-tidegate-cache") for answer in (first, second)]
        waiting = await self._link.command("XLEN", self._names.of("ledger"))
        return (first.status, second.status, caches, state, waiting) == (200, 200, ["miss", "hit"], 200, 0)

    async def keys(self, kind: str) -> list[str]:
        """Return the keys of a kind; the name of one where there is none now."""
        start = self._names.of(kind) if not KINDS[kind].texts else self._names.start(kind)
        pattern = start if not KINDS[kind].texts else f"{start}*"
        found = await self._link.command("KEYS", pattern)
        day = period_of(SystemClock().now()).day
        texts = {"lane_line": (LANE, "shop/4"), "rpd": (self._scope, day)}.get(kind, (LANE, day))
        return [key.decode() for key in found] or [self._names.of(kind, *texts[: KINDS[kind].texts])]

    async def amounts(self) -> tuple[int, int]:
        """Return what the key has spent and reserved today."""
        [spending] = await BudgetStore(self._link, prefix=self._world.prefix).read([self._scope], SystemClock().now())
        return spending.day.spent, spending.day.reserved

    async def replace(self, key: str, value: bytes) -> None:
        """Put a string in the place of a key."""
        await self._link.command("SET", key, value)

    async def retype(self, key: str, *command: str) -> None:
        """Put a value of another type in the place of a key."""
        await self._link.command("DEL", key)
        await self._link.command(command[0], key, *command[1:])

    async def change(self, key: str, changed: Callable[[bytes], bytes]) -> None:
        """Change what a key holds: the string itself, or each value of a hash."""
        match await self._link.command("TYPE", key):
            case b"string":
                await self._link.command("SET", key, changed(await self._link.command("GET", key)))
            case b"hash":
                fields = await self._link.command("HGETALL", key)
                for field, value in zip(fields[::2], fields[1::2], strict=True):
                    await self._link.command("HSET", key, field, changed(value))


@pytest.fixture
async def damage(world: World, redis_link: RedisLink) -> AsyncIterator[Damage]:
    made = await world.keys.create(project="shop", name="rich", grants=KeyChange(limits=RICH))
    postgres = Postgres(world.stores.database_url, size=1, timeout=10.0)
    await ProjectStore(postgres, redis_link, prefix=world.prefix).update("shop", ProjectChange(user_limits=RICH))
    sections: dict[str, Any] = {"budgets": {"rebuild_after_seconds": 0.5}, "upstream": {"rpm": 100_000}}
    async with world.gateway(**sections) as gateway:
        damage = Damage(world, gateway, redis_link, f"Bearer {made.token}", made.record.id)
        await damage.call()
        yield damage
    await postgres.close()


@pytest.mark.parametrize("kind", KEYS)
async def test_nonsense_in_the_place_of_a_value_is_no_error(damage: Damage, kind: str) -> None:
    for value in NONSENSE.values():
        for key in await damage.keys(kind):
            await damage.replace(key, value)
        await damage.call()
    await wait_until_async(damage.is_healthy)


@pytest.mark.parametrize("kind", KEYS)
async def test_another_type_in_the_place_of_a_value_is_no_error(damage: Damage, kind: str) -> None:
    for command in (("HSET", "at", "soon"), ("ZADD", "1", "x"), ("XADD", "*", "e", "x")):
        for key in await damage.keys(kind):
            await damage.retype(key, *command)
        await damage.call()
    await wait_until_async(damage.is_healthy)


@pytest.mark.parametrize("kind", [kind for kind in KEYS if KINDS[kind].type in ("string", "hash")])
async def test_a_damaged_value_is_no_error(damage: Damage, kind: str) -> None:
    cuts: list[Callable[[bytes], bytes]] = [
        lambda value: value[: len(value) // 2],
        lambda value: value + b"\x00",
        lambda value: bytes([*value[:-1], value[-1] ^ 0x80]) if value else b"",
        lambda value: bytes(byte ^ (1 << 4) if at == len(value) // 2 else byte for at, byte in enumerate(value)),
    ]
    for cut in cuts:
        for key in await damage.keys(kind):
            await damage.change(key, cut)
        await damage.call()
    await wait_until_async(damage.is_healthy)


async def test_messages_that_cannot_be_read_are_dropped(damage: Damage, world: World, redis_link: RedisLink) -> None:
    channels = await redis_link.command("PUBSUB", "CHANNELS", f"{RedisNames(world.prefix).tag}*")
    assert len(channels) >= 4
    for channel, value in itertools.product(channels, NONSENSE.values()):
        assert await redis_link.command("PUBLISH", channel, value) == 1
    await damage.call()
    await wait_until_async(damage.is_healthy)


@pytest.mark.parametrize("field", [b"e", b"\xff"])
async def test_ledger_entries_that_cannot_be_read_are_kept_apart(
    damage: Damage, world: World, redis_link: RedisLink, field: bytes
) -> None:
    values = [msgspec.json.encode({"id": field.hex()}), *NONSENSE.values(), *NONSENSE.values()]
    for value in values:
        await redis_link.command("XADD", RedisNames(world.prefix).of("ledger"), "*", field, value)
    await damage.call()
    await wait_until_async(damage.is_healthy)
    with psycopg.connect(world.stores.database_url) as database:
        [rejected] = database.execute("SELECT count(*) FROM ledger_rejected").fetchone() or (0,)
    assert rejected >= len(NONSENSE)


@pytest.mark.parametrize("kind", ["spent", "held", "holds", "memory", "lost", "journal"])
async def test_a_budget_is_neither_lost_nor_doubled_by_a_repair(damage: Damage, world: World, kind: str) -> None:
    for number in range(3):
        await damage.call()
        for key in await damage.keys(kind):
            if number:
                await damage.replace(key, b"nonsense")
    await damage.call()
    await wait_until_async(damage.is_healthy)
    with psycopg.connect(world.stores.database_url) as database:
        query = "SELECT sum(cost_nanos) FROM ledger WHERE key_id = %s"
        [billed] = database.execute(query, (damage.key_id,)).fetchone() or (0,)
    assert await damage.amounts() == (billed, 0)
