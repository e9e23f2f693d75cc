"""200 callers, some of whom search the web, three replicas that are killed, and a budget of $1.00: kept, and usable.

`python -m benchmarks.budget [--runs 50] [--kills 3] [--seed 1]`; exits 1 when a run spent more than its budget, when
less than 95 % of it could be used, or when it does not end.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import msgspec
import psycopg
import redis

from benchmarks import gateway, processes
from benchmarks.contestants import FOLDER
from benchmarks.processes import BenchmarkError, Program
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls

CALLERS, REPLICAS = 200, 3
START_SECONDS, RUN_SECONDS = 600.0, 300.0
"""The most that the start, and each run, takes on a busy machine."""
BUDGET = 1_000_000_000
USABLE = 0.95
SEARCHER = "gpt-4o"
PRICE = {"gpt-4o-mini": {"input": "10", "output": "50"}, SEARCHER: {"input": "0.1", "output": "0.5"}}
"""USD per million tokens: the simulator's answers cost $0.001 to $0.003. A search costs $0.01 besides.

What a search reads is held as the model's whole context, so the model that searches is a cheap one.
"""
SEARCHING, MOST_SEARCHES = 8, 2
"""One call of so many searches the web, up to so often."""
SETTINGS = {
    "TIDEGATE_METERING__PRICES": json.dumps(PRICE),
    "TIDEGATE_UPSTREAM__FORWARD_HEADERS": '["x-simulate-*"]',
    "TIDEGATE_UPSTREAM__RPM": "1000000",
    "TIDEGATE_UPSTREAM__TPM": "1000000000",
    "TIDEGATE_BUDGETS__LEASE_SECONDS": "2",
    "TIDEGATE_BUDGETS__REBUILD_AFTER_SECONDS": "1",
}
SETTLE_SECONDS = 30.0


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """How one run went; money in nano-dollars."""

    ledger: int
    counter: int
    most: int
    """The most that was spent or held at any moment seen."""
    lost: int
    """Calls charged in full, because their replica was killed."""
    answered: int
    fees: int
    """The part of the ledger that is for searches."""
    seconds: float

    @property
    def kept(self) -> bool:
        """Whether the budget was kept, and counter and ledger agree.

        `most` may be more for a moment: a line that a dead replica left on disk counts as spent while its hold lasts.
        """
        return self.ledger == self.counter <= BUDGET


def main() -> int:
    """Run, tell, judge."""
    options = _options()
    dice = random.Random(options.seed)
    print("run  ledger $     counter $    most $       searches $   lost  answered  seconds")
    runs: list[Run] = []
    try:
        with (
            processes.ending_within(options.deadline or START_SECONDS + RUN_SECONDS * options.runs),
            embedded.running(FOLDER / "budget") as stores,
            _upstream(options.port) as upstream,
        ):
            env = {**gateway.environment(upstream, stores), **SETTINGS}
            gateway.run(["migrate"], env)
            for number in range(1, options.runs + 1):
                runs.append(asyncio.run(_one(env, stores, options, dice)))
                _tell(number, runs[-1])
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1
    return _verdict(runs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--kills", type=int, default=3, help="in each run")
    parser.add_argument("--callers", type=int, default=CALLERS)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    processes.add_deadline(parser)
    parser.add_argument("--port", type=int, default=4570, help="the first of four ports (default 4570)")
    return parser.parse_args()


@contextlib.contextmanager
def _upstream(port: int) -> Iterator[str]:
    command = gateway.command("simulate", "--port", str(port), "--latency", "0.15")
    with processes.running("simulator", command, core=processes.OTHER_CORE, folder=FOLDER) as program:
        processes.until_up(program, f"http://127.0.0.1:{port}/v1/models")
        yield f"http://127.0.0.1:{port}/v1"


async def _one(env: dict[str, str], stores: StoreUrls, options: argparse.Namespace, dice: random.Random) -> Run:
    made = gateway.run(
        ["keys", "create", "--project", "budget", "--name", "budget", "--budget-day", "1.00", "--json"], env
    )
    key = json.loads(made)
    purse = _Purse(stores, key["id"])
    ports = [options.port + 1 + number for number in range(REPLICAS)]
    begun = time.monotonic()
    async with (
        _replicas(ports, env) as replicas,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=options.callers)) as http,
    ):
        watching = asyncio.create_task(purse.watch())
        killing = asyncio.create_task(_kill(replicas, options.kills, dice))
        callers = (_spend(http, ports, key["key"], f"{begun} {who}", dice) for who in range(options.callers))
        answered = sum(await asyncio.gather(*callers))
        await killing
        seconds = time.monotonic() - begun
        ledger, counter = await purse.settled(
            lambda: _ask(http, dice.choice(ports), key["key"], _body("nudge", 15), {})
        )
        watching.cancel()
    return Run(
        ledger=ledger,
        counter=counter,
        most=purse.most,
        lost=purse.lost(),
        answered=answered,
        fees=purse.fees(),
        seconds=seconds,
    )


class _Replicas:
    """The gateways, by port. `stack` stops all that were started, those that took a killed one's place included."""

    def __init__(self, env: dict[str, str], stack: contextlib.ExitStack) -> None:
        self._env = env
        self._stack = stack
        self._programs: dict[int, Program] = {}

    @property
    def ports(self) -> list[int]:
        return list(self._programs)

    def start(self, port: int) -> None:
        command = gateway.command("serve", "--port", str(port))
        env = {**self._env, "TIDEGATE_METERING__SPOOL_DIR": str(FOLDER / "budget-spool")}
        running = processes.running(f"replica-{port}", command, core=port % 2, folder=FOLDER, env=env)
        self._programs[port] = self._stack.enter_context(running)

    async def until_up(self, port: int) -> None:
        await asyncio.to_thread(processes.until_up, self._programs[port], f"http://127.0.0.1:{port}/livez")

    def kill(self, port: int) -> None:
        self._programs[port].process.kill()
        self._programs[port].process.wait()


@contextlib.asynccontextmanager
async def _replicas(ports: list[int], env: dict[str, str]) -> AsyncIterator[_Replicas]:
    with contextlib.ExitStack() as stack:
        replicas = _Replicas(env, stack)
        for port in ports:
            replicas.start(port)
        for port in ports:
            await replicas.until_up(port)
        yield replicas


async def _kill(replicas: _Replicas, kills: int, dice: random.Random) -> None:
    """One replica after another, each started again; all of them before one is killed twice."""
    order = dice.sample(replicas.ports, len(replicas.ports))
    for port in itertools.islice(itertools.cycle(order), kills):
        await asyncio.sleep(dice.uniform(0.2, 1.0))
        replicas.kill(port)
        replicas.start(port)
        await replicas.until_up(port)


async def _spend(http: aiohttp.ClientSession, ports: list[int], key: str, name: str, dice: random.Random) -> int:
    """Ask until the budget is exceeded; how often it was answered."""
    answered = 0
    for number in itertools.count():
        words, tokens, headers = f"{name} {number}", dice.randrange(15, 50), dict[str, str]()
        if dice.randrange(SEARCHING):
            body = _body(words, tokens, stream=number % 2 == 0)
        else:
            body = _search(words, tokens, stream=number % 2 == 0)
            headers["x-simulate-tools"] = f"web_search={dice.randrange(MOST_SEARCHES + 1)}"
        status, code = await _ask(http, dice.choice(ports), key, body, headers)
        answered += status == 200
        if code == "budget_exceeded":
            return answered
        if status != 200:
            await asyncio.sleep(0.2)
    raise AssertionError("unreachable")


def _body(words: str, tokens: int, *, stream: bool = False) -> dict[str, Any]:
    message = {"role": "user", "content": words}
    return {"model": "gpt-4o-mini", "messages": [message], "max_tokens": tokens, "stream": stream}


def _search(words: str, tokens: int, *, stream: bool) -> dict[str, Any]:
    asked = {"model": SEARCHER, "input": words, "max_output_tokens": tokens, "stream": stream, "store": False}
    return {**asked, "tools": [{"type": "web_search"}], "max_tool_calls": MOST_SEARCHES}


async def _ask(
    http: aiohttp.ClientSession, port: int, key: str, body: dict[str, Any], headers: dict[str, str]
) -> tuple[int, str | None]:
    headers = {"authorization": f"Bearer {key}", "cache-control": "no-store", **headers}
    path = "responses" if "input" in body else "chat/completions"
    try:
        async with http.post(f"http://127.0.0.1:{port}/v1/{path}", json=body, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text)["error"]["code"] if answer.status == 429 else None
    except (aiohttp.ClientError, OSError):
        return 0, None  # its replica was killed


class _Purse:
    """What the stores say of one key's money."""

    def __init__(self, stores: StoreUrls, key_id: str) -> None:
        self._stores = stores
        self._redis = redis.Redis.from_url(stores.redis_url)
        self._key = key_id
        self.most = 0

    def _amounts(self) -> tuple[int, int]:
        day = time.strftime("%Y-%m-%d", time.gmtime())
        names = [f"{{tidegate}}:{kind}:key/{self._key}:{day}" for kind in ("spent", "held")]
        spent, held = (int(amount or 0) for amount in self._redis.mget(names))
        self.most = max(self.most, spent + held)
        return spent, held

    async def watch(self) -> None:
        """Note the most that is spent or held, until cancelled."""
        while True:
            self._amounts()
            await asyncio.sleep(0.01)

    async def settled(self, nudge: Callable[[], Awaitable[object]]) -> tuple[int, int]:
        """The ledger's sum and the counter, once nothing is held nor on its way. Raises BenchmarkError.

        `nudge` makes a paid call: where Redis missed something, the next one has the ledger counted.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            counted = self._redis.exists("{tidegate}:counted")  # first: only then are the counters true
            spent, held = self._amounts()
            if not counted:
                await nudge()
            elif not held and not self._redis.xlen("{tidegate}:ledger"):
                return int(self._query("coalesce(sum(cost_nanos), 0)")), spent
            await asyncio.sleep(0.1)
        raise BenchmarkError(f"after {SETTLE_SECONDS:g} s something is still held or on its way to the ledger")

    def lost(self) -> int:
        """Calls that were given up for lost."""
        return int(self._query("count(*) FILTER (WHERE outcome = 'lost')"))

    def fees(self) -> int:
        """What the ledger has for searches."""
        return int(self._query("coalesce(sum(fee_nanos), 0)"))

    def _query(self, figure: str) -> Any:
        with psycopg.connect(self._stores.database_url) as database:
            row = database.execute(f"SELECT {figure} FROM ledger WHERE key_id = %s", (self._key,)).fetchone()  # noqa: S608  # our own words
        return row[0] if row else 0


def _tell(number: int, run: Run) -> None:
    money = "".join(f"{nanos / 1e9:<13.9f}" for nanos in (run.ledger, run.counter, run.most, run.fees))
    print(f"{number:<4} {money}{run.lost:<6}{run.answered:<10}{run.seconds:.1f}", flush=True)


def _verdict(runs: list[Run]) -> int:
    kept = sum(run.kept for run in runs)
    least, most = min(run.ledger for run in runs), max(run.ledger for run in runs)
    print(f"kept in {kept} of {len(runs)} runs; spent ${least / 1e9:.6f} to ${most / 1e9:.6f} of ${BUDGET / 1e9:.2f};")
    print(f"{sum(run.lost for run in runs)} calls lost in kills, and charged in full;")
    print(f"${sum(run.fees for run in runs) / 1e9:.2f} of all were for searches.")
    has_fees = all(run.fees for run in runs)
    return 0 if kept == len(runs) and has_fees and least >= USABLE * BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
