"""200 users whose calls are all stored, on a pool of 20 PostgreSQL connections: how long a call waits for one.

`python -m benchmarks.pool [--users 200] [--seconds 20]`; exits 1 where 1 of 100 waited longer than 5 ms.

Each user has a call under way all the time: a stored chat completion, then another turn of a chain of responses.
The upstream takes about four seconds for an answer, as models do, so as many calls are in flight as there are users.
They begin one after another, within the time of an answer.
"""

import argparse
import asyncio
import contextlib
import itertools
import re
import sys
import time
from collections import Counter

import aiohttp
import psycopg
import uvloop

from benchmarks import contestants, gateway, processes
from benchmarks.contestants import FOLDER, MODEL, Ports
from benchmarks.processes import OTHER_CORE, BenchmarkError
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls

MOST_WAIT_MS = 5.0
START_SECONDS = 4.0
_WAIT = re.compile(r"^tidegate_postgres_wait_p99_seconds (\S+)$", re.MULTILINE)
SETTINGS = {
    "TIDEGATE_DATABASE__POOL_SIZE": "20",
    "TIDEGATE_MONITORING__PUBLIC_METRICS": "true",
    "TIDEGATE_UPSTREAM__RPM": "1000000",
}


def main() -> int:
    """Run, tell, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    processes.add_deadline(parser)
    parser.add_argument("--port", type=int, default=4550, help="the first of five ports (default 4550)")
    options = parser.parse_args()
    ports = Ports.above(options.port)
    simulate = gateway.command("simulate", "--port", str(ports.upstream), "--ttft", "0.5", "--tps", "10")
    try:
        with processes.ending_within(options.deadline or 600 + 2 * options.seconds), contextlib.ExitStack() as stack:
            stores = stack.enter_context(embedded.running(FOLDER / "pool"))
            upstream = processes.running("simulator", simulate, core=OTHER_CORE, folder=FOLDER)
            processes.until_up(stack.enter_context(upstream), f"http://127.0.0.1:{ports.upstream}/v1/models")
            running = stack.enter_context(contestants.tidegate(ports, stores, settings=SETTINGS))
            root = running.target.url.removesuffix("/v1/chat/completions")
            return uvloop.run(_measure(stores, root, running.target.key, options))
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1


async def _measure(stores: StoreUrls, root: str, key: str, options: argparse.Namespace) -> int:
    until = time.monotonic() + options.seconds
    statuses: Counter[int] = Counter()
    headers = {"authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as http:
        count = options.users
        users = [asyncio.create_task(_user(http, root, number, count, until, statuses)) for number in range(count)]
        most = await asyncio.gather(_connections(stores, until), *users)
        async with http.get(f"{root}/metrics") as answer:
            found = _WAIT.search(await answer.text())
    if found is None:
        raise BenchmarkError("the gateway does not say how long it waited for a connection")
    wait = float(found[1]) * 1000
    print(
        f"{options.users} users, {statuses.total():,} stored calls in {options.seconds:g} s, statuses {dict(statuses)}"
    )
    print(f"at most {most[0]} connections; 99 of 100 waited for theirs at most {wait:.2f} ms")
    return 0 if wait <= MOST_WAIT_MS and set(statuses) == {200} else 1


async def _user(
    http: aiohttp.ClientSession, root: str, number: int, users: int, until: float, statuses: Counter[int]
) -> None:
    previous: str | None = None
    await asyncio.sleep(number * START_SECONDS / users)
    for turn in itertools.count():
        if time.monotonic() >= until:
            return
        words = f"user {number} turn {turn} {until}"
        if turn % 2 == 0:
            message = {"role": "user", "content": words}
            body = {"model": MODEL, "messages": [message], "store": True, "max_tokens": 40}
            status, _ = await _ask(http, f"{root}/v1/chat/completions", body)
        else:
            body = {"model": MODEL, "input": words, "previous_response_id": previous, "max_output_tokens": 40}
            status, previous = await _ask(http, f"{root}/v1/responses", body)
        statuses[status] += 1


async def _ask(http: aiohttp.ClientSession, url: str, body: dict[str, object]) -> tuple[int, str | None]:
    async with http.post(url, json=body) as answer:
        document = await answer.json()
        return answer.status, document.get("id")


async def _connections(stores: StoreUrls, until: float) -> int:
    """The most that the gateway had at one moment."""
    most = 0
    async with await psycopg.AsyncConnection.connect(stores.database_url, autocommit=True) as database:
        while time.monotonic() < until:
            found = await database.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidegate'")
            row = await found.fetchone()
            most = max(most, row[0] if row else 0)
            await asyncio.sleep(0.1)
    return most


if __name__ == "__main__":
    sys.exit(main())
