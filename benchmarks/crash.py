"""`kill -9` at random moments under load: every answer that was delivered is in the ledger, once.

The entries of the hits just before a kill may be missing: they cost nothing, and are appended within 50 ms (ADR 0092).
`python -m benchmarks.crash [--kills 20] [--seed 1]`; exits 1 when another entry is missing.
"""

import argparse
import asyncio
import contextlib
import itertools
import random
import sys
import time

import aiohttp
import msgspec
import psycopg
import uvloop

from benchmarks import contestants, gateway, processes
from benchmarks.callers import Answer, Callers
from benchmarks.contestants import FOLDER, Ports
from benchmarks.peers.peer import Running
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls

CALLERS = 16
REPEATED_QUESTIONS = 20
APPENDING_SECONDS = 0.2
"""Before a kill, in which a hit's entry may not be appended yet: 50 ms, and what the machine's other work takes."""
LEDGER_SECONDS = 60.0
"""How long the survivors' ledger may take to drain."""


class Delivered(msgspec.Struct, frozen=True):
    """An answer that a caller has received whole."""

    request_id: str
    is_hit: bool
    at: float
    """Seconds on the monotonic clock."""
    seconds_before_kill: float = 0.0

    @property
    def may_be_missing(self) -> bool:
        """Whether its entry may have been lost with the process."""
        return self.is_hit and self.seconds_before_kill <= APPENDING_SECONDS


def main() -> int:
    """Kill, restart, compare, tell."""
    options = _options()
    dice, ports = random.Random(options.seed), Ports.above(options.port)
    delivered: list[Delivered] = []
    try:
        with (
            processes.ending_within(options.deadline),
            embedded.running(FOLDER / "stores") as stores,
            contestants.upstream(ports.upstream, "--chunks-per-second", "200", "--chunks", "20"),
        ):
            key = gateway.make_key(gateway.environment("", stores))
            for kill in range(1, options.kills + 1):
                delivered += _until_killed(ports, stores, key, dice)
                print(f"kill {kill}: {len(delivered)} answers delivered so far", flush=True)
            with contestants.tidegate(ports, stores, key=key):
                counts = _until_settled(stores.database_url, delivered)
    except (processes.BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1
    return _verdict(delivered, counts)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    processes.add_deadline(parser, 3600)
    parser.add_argument("--port", type=int, default=4560, help="the first of five ports (default 4560)")
    return parser.parse_args()


def _until_killed(ports: Ports, stores: StoreUrls, key: str, dice: random.Random) -> list[Delivered]:
    with contestants.tidegate(ports, stores, key=key) as running:
        life = dice.uniform(0.2, 1.5)
        return uvloop.run(_load_and_kill(running, life))


async def _load_and_kill(running: Running, life: float) -> list[Delivered]:
    delivered: list[Delivered] = []
    numbers = itertools.count(time.time_ns())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CALLERS)) as session:
        callers = Callers(session, running.target.url, running.target.key)
        asking = [asyncio.create_task(_ask_until_cut(callers, numbers, delivered)) for _ in range(CALLERS)]
        await asyncio.sleep(life)
        killed_at = time.monotonic()
        for process in running.program.tree():
            process.kill()
        await asyncio.gather(*asking)
    return [msgspec.structs.replace(one, seconds_before_kill=killed_at - one.at) for one in delivered]


async def _ask_until_cut(callers: Callers, numbers: "itertools.count[int]", delivered: list[Delivered]) -> None:
    with contextlib.suppress(aiohttp.ClientError):
        for number in numbers:
            answer = await _one_of_three(callers, number)
            if answer.status == 200 and answer.complete:
                delivered.append(Delivered(answer.request_id, answer.cache == "hit", time.monotonic()))


async def _one_of_three(callers: Callers, number: int) -> Answer:
    if number % 3 == 0:
        return await callers.whole(f"repeated {number % REPEATED_QUESTIONS}")
    if number % 3 == 1:
        return await callers.whole(f"unique {number}")
    return await callers.stream(f"unique {number}")


def _until_settled(database_url: str, delivered: list[Delivered]) -> dict[str, int]:
    """Return how often each delivered answer is in the ledger, once all are that must be there."""
    deadline = time.monotonic() + LEDGER_SECONDS
    names = [one.request_id for one in delivered]
    needed = {one.request_id for one in delivered if not one.may_be_missing}
    with psycopg.connect(database_url, autocommit=True) as database:
        while True:
            found = database.execute(
                "SELECT id, count(*) FROM ledger WHERE id = ANY(%s) GROUP BY id", (names,)
            ).fetchall()
            if needed <= {str(name) for name, _ in found} or time.monotonic() > deadline:
                return {str(name): int(count) for name, count in found}
            time.sleep(0.2)


def _verdict(delivered: list[Delivered], counts: dict[str, int]) -> int:
    absent = [one for one in delivered if one.request_id not in counts]
    missing = [one for one in absent if not one.may_be_missing]
    double = [name for name, count in counts.items() if count != 1]
    repeated = len(delivered) - len({one.request_id for one in delivered})
    print(f"{len(delivered)} answers delivered, {len(missing)} not in the ledger, {len(double)} there more than once")
    if lost := len(absent) - len(missing):
        print(f"{lost} free hits of the last {APPENDING_SECONDS * 1000:.0f} ms before a kill are not in the ledger")
    if repeated:
        print(f"{repeated} request ids were given twice")
    return 0 if delivered and not missing and not double and not repeated else 1


if __name__ == "__main__":
    sys.exit(main())
