"""20,000 mixed calls with faults over three replicas: ledger, Redis's counters and the simulator's own bill agree.

`python -m benchmarks.exactness [--calls 20000] [--seed 1]`; exits 1 where a nano-dollar is missing.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import aiohttp
import msgspec
import psycopg
import redis
import uvloop

from benchmarks import gateway, processes
from benchmarks.books import Books, Line, charges_of
from benchmarks.contestants import FOLDER
from benchmarks.mixed_calls import STOP_SECONDS, Asked, Mix, UpstreamManners, make
from benchmarks.processes import OTHER_CORE, BenchmarkError
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls

REPLICAS, CALLERS = 3, 32
MOST_LEFT_RATIO = 2.0
"""What is booked for all calls that their clients left, by what is billed for them."""
KEYS = (("shop", "100", 30), ("shop", "100", 30), ("harbour", "100", 35), ("poor", "0.002", 5))
"""Projects, their keys' budgets a day (the last one's does not last), and the calls out of 100 that each makes."""
SETTINGS = {
    "TIDEGATE_UPSTREAM__FORWARD_HEADERS": '["x-simulate-*"]',
    "TIDEGATE_UPSTREAM__RPM": "1000000",
    "TIDEGATE_UPSTREAM__TPM": "1000000000",
    "TIDEGATE_UPSTREAM__ALLOW_SHORT_TIMEOUTS": "true",
    "TIDEGATE_UPSTREAM__FIRST_BYTE_SECONDS": "5",
    "TIDEGATE_UPSTREAM__IDLE_SECONDS": "5",
    "TIDEGATE_UPSTREAM__CANCELS": "always",
    "TIDEGATE_UPSTREAM__STOP_SECONDS": str(STOP_SECONDS),
    "TIDEGATE_LOG_LEVEL": "error",
}
SETTLE_SECONDS = 60.0
SHOWN = 20
"""Complaints that are printed."""


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that runs."""

    stores: StoreUrls
    root: str
    """The simulator's."""
    gateways: tuple[str, ...]
    keys: tuple[str, ...]


def main() -> int:
    """Run, tell, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    processes.add_deadline(parser, 3600)
    parser.add_argument("--port", type=int, default=4580, help="the first of four ports (default 4580)")
    options = parser.parse_args()
    manners = UpstreamManners.drawn(Random(options.seed))
    print(f"upstream: {manners}, not known to the gateway")
    try:
        with processes.ending_within(options.deadline), _fleet(options.port, options.calls, manners) as fleet:
            return uvloop.run(_measure(fleet, Mix(Random(options.seed)), options.calls))
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1


@contextlib.contextmanager
def _fleet(port: int, calls: int, manners: UpstreamManners) -> Iterator[Fleet]:
    with contextlib.ExitStack() as stack:
        stores = stack.enter_context(embedded.running(FOLDER / "exactness"))
        root = f"http://127.0.0.1:{port}"
        env = {**gateway.environment(f"{root}/v1", stores), **SETTINGS}
        gateway.run(["migrate"], env)
        _empty(stores)
        remember = str(10 * calls)
        simulate = ["simulate", "--port", str(port), "--remember", remember]
        for name, value in msgspec.structs.asdict(manners).items():
            simulate += [f"--{name.replace('_', '-')}", str(value)]
        commands = {f"{root}/v1/models": gateway.command(*simulate)}
        for number in range(1, REPLICAS + 1):
            commands[f"http://127.0.0.1:{port + number}/livez"] = gateway.command("serve", "--port", str(port + number))
        for url, command in commands.items():
            name = f"exactness-{url.partition('//')[2].partition('/')[0].rpartition(':')[2]}"
            running = processes.running(name, command, core=OTHER_CORE, folder=FOLDER, env=env)
            processes.until_up(stack.enter_context(running), url)
        keys = tuple(_key(env, project, budget) for project, budget, _ in KEYS)
        gateways = tuple(f"http://127.0.0.1:{port + number}/v1" for number in range(1, REPLICAS + 1))
        yield Fleet(stores=stores, root=root, gateways=gateways, keys=keys)


def _empty(stores: StoreUrls) -> None:
    """What an earlier run left would be counted with this one."""
    with psycopg.connect(stores.database_url, autocommit=True) as database:
        database.execute("TRUNCATE ledger")
    with redis.Redis.from_url(stores.redis_url) as client:
        client.flushdb()


def _key(env: dict[str, str], project: str, budget: str) -> str:
    named = ["keys", "create", "--project", project, "--name", "exact", "--budget-day", budget, "--json"]
    return str(json.loads(gateway.run(named, env))["key"])


async def _measure(fleet: Fleet, mix: Mix, calls: int) -> int:
    began = time.monotonic()
    groups = mix.groups(calls)
    statuses: Counter[int] = Counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        await asyncio.gather(*(_call(fleet, http, groups, statuses, Random(who)) for who in range(CALLERS)))
        counters = await _settled(fleet, http)
        async with http.get(f"{fleet.root}/simulator/bill") as answer:
            charges = charges_of(msgspec.json.decode(await answer.read())["requests"])
    books = Books(_lines(fleet.stores), charges)
    print(
        f"{statuses.total():,} calls over {REPLICAS} replicas in {time.monotonic() - began:.0f} s; answers by status:"
    )
    print("  " + ", ".join(f"{status or 'none'}: {count:,}" for status, count in sorted(statuses.items())))
    print(*books.told(), sep="\n")
    return _verdict(books, counters)


async def _call(
    fleet: Fleet, http: aiohttp.ClientSession, groups: Iterator[list[Asked]], statuses: Counter[int], dice: Random
) -> None:
    for group in groups:
        (key,) = dice.choices(fleet.keys, [share for _, _, share in KEYS])
        statuses.update(
            await asyncio.gather(
                *(make(http, asked, base_url=dice.choice(fleet.gateways), key=key) for asked in group),
            )
        )


async def _settled(fleet: Fleet, http: aiohttp.ClientSession) -> dict[str, int]:
    """What Redis counted, by scope, once nothing is held nor on its way. Raises BenchmarkError."""
    deadline = time.monotonic() + SETTLE_SECONDS
    with redis.Redis.from_url(fleet.stores.redis_url) as client:
        while time.monotonic() < deadline:
            async with http.get(f"{fleet.root}/simulator/stats") as answer:
                flying = (await answer.json())["in_flight"]
            if not flying and not client.hlen("{tidegate}:holds") and not client.xlen("{tidegate}:ledger"):
                return _counters(client)
            await asyncio.sleep(0.2)
    raise BenchmarkError(f"after {SETTLE_SECONDS:g} s something is still held or on its way to the ledger")


def _counters(client: Any) -> dict[str, int]:
    """By scope, over all months."""
    found: Counter[str] = Counter()
    for name in client.scan_iter("{tidegate}:spent:*-??", count=1000):
        _, _, rest = name.decode().partition(":spent:")
        scope, _, period = rest.rpartition(":")
        if period.count("-") == 1:
            found[scope] += int(client.get(name))
    return {scope: nanos for scope, nanos in found.items() if not scope.startswith("user/")}


def _lines(stores: StoreUrls) -> list[Line]:
    with psycopg.connect(stores.database_url) as database:
        rows = database.execute("SELECT end_user, outcome, cost_nanos FROM ledger").fetchall()
    return [Line(name=name, outcome=outcome, nanos=nanos) for name, outcome, nanos in rows]


def _verdict(books: Books, counters: dict[str, int]) -> int:
    projects = sum(nanos for scope, nanos in counters.items() if scope.startswith("project/"))
    keys = sum(nanos for scope, nanos in counters.items() if scope.startswith("key/"))
    print(f"ledger {books.booked}, Redis: all {counters.get('all', 0)}, projects {projects}, keys {keys} nano-dollars")
    print(f"calls that their clients left: {books.left_ratio:.2f} times the bill")
    print("\n".join(books.complaints[:SHOWN]) or "no call's line says anything else than its bill")
    agree = books.booked == counters.get("all", 0) == projects == keys
    return 0 if agree and not books.complaints and books.left_ratio <= MOST_LEFT_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
