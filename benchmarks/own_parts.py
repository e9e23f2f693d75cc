"""Redis frozen, then PostgreSQL gone, under a steady load: what callers feel, and what the ledger has afterwards.

`python -m benchmarks.own_parts [--rate 50] [--frozen 20] [--gone 20]`; exits 1 where a promise is broken:
no call fails, p99 grows by at most 100 ms while Redis is frozen, each answer has one line in the ledger, and a caller's
limit is kept. The judged durations are `--frozen 60 --gone 300`.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator

import aiohttp
import msgspec
import psycopg
import uvloop

from benchmarks import contestants, gateway, processes
from benchmarks.callers import Callers
from benchmarks.contestants import FOLDER, Ports
from benchmarks.steady import Call, steady_calls
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls

WARM_SECONDS = 5.0
START_SECONDS = 600.0
"""The most that starts and ends take, on a busy machine."""
LIMIT = 120
"""Requests a minute of the limited key; it asks twice as often."""
MOST_ADDED = 0.100
"""Seconds by which p99 may grow."""
LEDGER_SECONDS = 60.0


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of the calls that began within some time."""

    name: str
    calls: int
    failed: int
    p50: float
    p99: float
    longest: float
    slow: int
    """Calls that took 100 ms longer than usual."""


def main() -> int:
    """Load, freeze, thaw, stop, start, compare, tell."""
    options = _options()
    ports = Ports.above(options.port)
    try:
        with (
            processes.ending_within(options.deadline or START_SECONDS + 4 * (options.frozen + options.gone)),
            embedded.running(FOLDER / "stores") as stores,
            contestants.upstream(ports.upstream, "--chunks-per-second", "200", "--chunks", "20"),
        ):
            return _run(options, ports, stores)
    except (processes.BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=50.0, help="calls a second")
    parser.add_argument("--frozen", type=float, default=20.0, help="seconds for which Redis is frozen")
    parser.add_argument("--gone", type=float, default=20.0, help="seconds for which PostgreSQL is gone")
    processes.add_deadline(parser)
    parser.add_argument("--port", type=int, default=4700, help="the first of five ports (default 4700)")
    return parser.parse_args()


def _run(options: argparse.Namespace, ports: Ports, stores: StoreUrls) -> int:
    env = gateway.environment("", stores)
    key = gateway.make_key(env)
    limited = _limited_key(env)
    spool = {"TIDEGATE_METERING__SPOOL_DIR": str(FOLDER / "own-parts-spool")}
    with contestants.tidegate(ports, stores, key=key, settings=spool) as running:
        url = running.target.url
        redis = uvloop.run(_while(_frozen_redis(), options.frozen, url, key, limited, options.rate))
        lost = _missing(stores.database_url, redis)
        postgres = uvloop.run(_while(_stopped_postgres(), options.gone, url, key, limited, options.rate))
        lost |= _missing(stores.database_url, postgres)
    return _verdict(redis, postgres, lost)


def _limited_key(env: dict[str, str]) -> str:
    made = gateway.run(["keys", "create", "--project", "bench", "--name", "few", "--rpm", str(LIMIT), "--json"], env)
    return str(msgspec.json.decode(made)["key"])


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One trouble's calls."""

    before: list[Call]
    during: list[Call]
    after: list[Call]
    limited: list[Call]
    seconds: float

    def everything(self) -> Iterator[Call]:
        """All calls."""
        return itertools.chain(self.before, self.during, self.after, self.limited)


@contextlib.asynccontextmanager
async def _frozen_redis() -> AsyncIterator[None]:
    process = int((FOLDER / "stores" / "redis" / "redis.pid").read_text())
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@contextlib.asynccontextmanager
async def _stopped_postgres() -> AsyncIterator[None]:
    process = int((FOLDER / "stores" / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(process, signal.SIGINT)
    yield
    await asyncio.to_thread(_start_stores)


def _start_stores() -> None:
    with embedded.running(FOLDER / "stores"):  # starts what does not run; the first user stops them at the end
        pass


async def _while(  # what is broken, how long, and who calls
    trouble: contextlib.AbstractAsyncContextManager[None], seconds: float, url: str, key: str, few: str, rate: float
) -> Seen:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        callers, others = Callers(session, url, key), Callers(session, url, few)
        numbers = itertools.count(time.time_ns())
        await steady_calls(callers, numbers, rate, WARM_SECONDS)
        before = await steady_calls(callers, numbers, rate, WARM_SECONDS)
        async with trouble:
            during, limited = await asyncio.gather(
                steady_calls(callers, numbers, rate, seconds),
                steady_calls(others, numbers, 2 * LIMIT / 60, seconds),
            )
        after = await steady_calls(callers, numbers, rate, WARM_SECONDS)
    return Seen(before=before, during=during, after=after, limited=limited, seconds=seconds)


def _missing(database_url: str, seen: Seen) -> set[str]:
    """The ids of answers without exactly one line in the ledger."""
    given = {call.answer.request_id for call in seen.everything() if call.answer and call.answer.status == 200}
    deadline = time.monotonic() + LEDGER_SECONDS
    while True:
        with psycopg.connect(database_url) as database:
            found = database.execute("SELECT id, count(*) FROM ledger WHERE id = ANY(%s) GROUP BY id", (list(given),))
            missing = given - {name for name, count in found.fetchall() if count == 1}
        if not missing or time.monotonic() > deadline:
            return missing
        time.sleep(0.5)


def _phase(name: str, calls: list[Call], usual: float) -> Phase:
    # a stream takes a tenth of a second by itself
    seconds = sorted(call.seconds for call in calls)
    return Phase(
        name=name,
        calls=len(calls),
        failed=sum(not call.is_good for call in calls),
        p50=statistics.median(seconds),
        p99=seconds[int(0.99 * (len(seconds) - 1))],
        longest=seconds[-1],
        slow=sum(second > usual + MOST_ADDED for second in seconds),
    )


def _verdict(redis: Seen, postgres: Seen, lost: set[str]) -> int:
    rows: list[Phase] = []
    added: dict[str, float] = {}
    for trouble, seen in (("Redis frozen", redis), ("PostgreSQL gone", postgres)):
        before = _phase("before", seen.before, 0.0)
        rows += [
            _phase(f"before {trouble}", seen.before, before.p99),
            _phase(f"{trouble} for {seen.seconds:g} s", seen.during, before.p99),
            _phase(f"after {trouble}", seen.after, before.p99),
        ]
        added[trouble] = rows[-2].p99 - before.p99
    answered = sum(call.answer is not None and call.answer.status == 200 for call in redis.limited)
    allowed = LIMIT + LIMIT * redis.seconds / 60
    print(_table(rows))
    print(f"p99 added while Redis was frozen: {1000 * added['Redis frozen']:.1f} ms (at most 100)")
    print(f"p99 added while PostgreSQL was gone: {1000 * added['PostgreSQL gone']:.1f} ms")
    print(f"the key limited to {LIMIT} a minute: {answered} answers while Redis was frozen (at most {allowed:g})")
    print(f"answers without exactly one line in the ledger: {len(lost)}")
    good = not lost and answered <= allowed and added["Redis frozen"] <= MOST_ADDED
    return 0 if good and not any(row.failed for row in rows) else 1


def _table(rows: list[Phase]) -> str:
    head = ["| | calls | failed | p50 ms | p99 ms | longest ms | 100 ms slower than p99 before |"]
    head += ["|---|---:|---:|---:|---:|---:|---:|"]
    lines = [
        f"| {row.name} | {row.calls} | {row.failed} | {1000 * row.p50:.1f} | {1000 * row.p99:.1f} "
        f"| {1000 * row.longest:.1f} | {row.slow} |"
        for row in rows
    ]
    return "\n".join([*head, *lines])


if __name__ == "__main__":
    sys.exit(main())
