"""Calls while replicas are restarted one after the other, and while workers are recycled: none may be lost.

`python -m benchmarks.rolling [--calls 5000] [--restarts 10] [--recyclings 20]`. Two replicas are behind a balancer that
reads their `/readyz` and never sends a call twice. Half of the calls are streams; half use the official SDK without
retries, the others aiohttp on connections that are kept alive. Exits 1 where a call was not answered whole, or its
ledger entry is missing.
"""

import argparse
import asyncio
import contextlib
import itertools
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Self

import aiohttp
import openai
import psycopg
import uvloop

from benchmarks import gateway, processes
from benchmarks.contestants import FOLDER
from benchmarks.processes import BenchmarkError
from benchmarks.replica import LOOK_SECONDS, Replica
from tidegate.storage import embedded

AT_ONCE = 12
MODEL = "gpt-4o-mini"
DRAIN_SECONDS = "2"
LEDGER_SECONDS = 60.0


class Fleet:
    """Calls to the replicas that are ready, by turns."""

    def __init__(self, replicas: list[Replica], key: str) -> None:
        self._replicas = replicas
        self._key = key
        self._numbers = itertools.count()
        self.lost: Counter[str] = Counter()
        self.answered: list[str] = []
        """The request ids of the calls that were answered whole."""

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._sdks = {one: self._sdk(one) for one in self._replicas}
        self._watching = [asyncio.create_task(replica.watch(self._http)) for replica in self._replicas]
        return self

    async def __aexit__(self, *_: object) -> None:
        for watch in self._watching:
            watch.cancel()
        for sdk in self._sdks.values():
            await sdk.close()
        await self._http.close()

    def _sdk(self, replica: Replica) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=f"{replica.root}/v1", api_key=self._key, max_retries=0)

    async def call_until(self, count: int, ended: asyncio.Event) -> None:
        """Call with AT_ONCE callers until `count` calls were made and `ended` is set."""

        async def caller() -> None:
            while (number := next(self._numbers)) < count or not ended.is_set():
                await self._one(number)

        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))

    async def _one(self, number: int) -> None:
        ready = [replica for replica in self._replicas if replica.is_ready]
        if not ready:
            await asyncio.sleep(LOOK_SECONDS)
            return
        replica = ready[number % len(ready)]
        by_sdk, streamed = number % 4 < 2, number % 2 == 0
        try:
            request_id = await (self._by_sdk if by_sdk else self._raw)(replica, number, streamed=streamed)
        except (openai.APIError, aiohttp.ClientError, BenchmarkError) as error:
            self.lost[f"{'SDK' if by_sdk else 'aiohttp'}, {'stream' if streamed else 'whole'}: {error!r}"[:150]] += 1
        else:
            self.answered.append(request_id)

    async def _by_sdk(self, replica: Replica, number: int, *, streamed: bool) -> str:
        completions = self._sdks[replica].chat.completions.with_raw_response
        messages: Any = [{"role": "user", "content": f"Call {number}"}]
        raw = await completions.create(model=MODEL, messages=messages, stream=streamed)
        answer: Any = raw.parse()
        if streamed:
            finished = [chunk async for chunk in answer if chunk.choices and chunk.choices[0].finish_reason]
            if not finished:
                raise BenchmarkError("the stream had no end")
        return str(raw.headers["x-request-id"])

    async def _raw(self, replica: Replica, number: int, *, streamed: bool) -> str:
        body = {"model": MODEL, "messages": [{"role": "user", "content": f"Call {number}"}], "stream": streamed}
        headers = {"authorization": f"Bearer {self._key}"}
        async with self._http.post(f"{replica.root}/v1/chat/completions", json=body, headers=headers) as answer:
            text = await answer.text()
            if answer.status != 200 or (streamed and not text.endswith("data: [DONE]\n\n")):
                raise BenchmarkError(f"{answer.status}: {text[-100:]}")
            return answer.headers["x-request-id"]


def main() -> int:
    """Run both, print the figures; 1 where a call was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=5000, help="of each of the two runs, at least (default 5000)")
    parser.add_argument("--restarts", type=int, default=10, help="of both replicas (default 10)")
    parser.add_argument("--recyclings", type=int, default=20, help="of workers, at least (default 20)")
    processes.add_deadline(parser, 3600)
    parser.add_argument("--port", type=int, default=4700, help="the first of four ports (default 4700)")
    options = parser.parse_args()
    try:
        with processes.ending_within(options.deadline), _surroundings(options.port) as (env, database_url):
            kept = [
                uvloop.run(_restarts(options, env, database_url)),
                uvloop.run(_recyclings(options, env, database_url)),
            ]
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1
    return int(not all(kept))


@contextlib.contextmanager
def _surroundings(port: int) -> Iterator[tuple[dict[str, str], str]]:
    """Yield the environment of a gateway, with its stores and its upstream running, and the database's address."""
    upstream = f"http://127.0.0.1:{port}/v1"
    with tempfile.TemporaryDirectory(prefix="tidegate-rolling-") as folder, contextlib.ExitStack() as stack:
        stores = stack.enter_context(embedded.running(Path(folder)))
        command = gateway.command("simulate", "--port", str(port), "--latency", "0.05")
        program = stack.enter_context(processes.running("rolling-upstream", command, core=None, folder=FOLDER))
        processes.until_up(program, f"{upstream}/models")
        env = gateway.environment(upstream, stores) | {
            "TIDEGATE_SERVER__DRAIN_SECONDS": DRAIN_SECONDS,
            "TIDEGATE_METERING__SPOOL_DIR": str(Path(folder) / "spool"),
            "TIDEGATE_LOG_LEVEL": "info",
        }
        env["ROLLING_KEY"] = gateway.make_key(env)
        yield env, stores.database_url


async def _restarts(options: argparse.Namespace, env: dict[str, str], database_url: str) -> bool:
    replicas = [Replica(options.port + 1 + number, env) for number in range(2)]
    async with _running(replicas), Fleet(replicas, env["ROLLING_KEY"]) as fleet:
        ended = asyncio.Event()
        calling = asyncio.create_task(fleet.call_until(options.calls, ended))
        for number in range(options.restarts):
            replica = replicas[number % len(replicas)]
            await asyncio.to_thread(replica.stop)
            await asyncio.to_thread(replica.start)
        ended.set()
        await calling
        return await _report(f"{options.restarts} rolling restarts", fleet, database_url)


async def _recyclings(options: argparse.Namespace, env: dict[str, str], database_url: str) -> bool:
    each = max(20, options.calls // (options.recyclings + 4))
    small = {"TIDEGATE_SERVER__MAX_REQUESTS": str(each), "TIDEGATE_SERVER__MAX_REQUESTS_JITTER": "5"}
    replica = Replica(options.port + 3, {**env, **small}, "--workers", "2")
    async with _running([replica]), Fleet([replica], env["ROLLING_KEY"]) as fleet:
        ended = asyncio.Event()
        calling = asyncio.create_task(fleet.call_until(options.calls, ended))
        while (recycled := _times_ready(replica) - 2) < options.recyclings:  # noqa: ASYNC110  # a log is all there is
            await asyncio.sleep(LOOK_SECONDS)
        ended.set()
        await calling
        return await _report(f"{recycled} recyclings", fleet, database_url)


def _times_ready(replica: Replica) -> int:
    log = replica.program.log.read_text() if replica.program is not None else ""
    return sum(line.count("ready") for line in log.splitlines() if "addresses" in line)


@contextlib.asynccontextmanager
async def _running(replicas: list[Replica]) -> AsyncIterator[None]:
    try:
        for replica in replicas:
            await asyncio.to_thread(replica.start)
            replica.is_ready = True
        yield
    finally:
        for replica in replicas:
            await asyncio.to_thread(replica.stop)


async def _report(name: str, fleet: Fleet, database_url: str) -> bool:
    missing = await asyncio.to_thread(_missing, database_url, set(fleet.answered))
    lost = fleet.lost.total()
    print(f"{name}: {len(fleet.answered) + lost:,} calls, {lost} lost, {missing} without a ledger entry", flush=True)
    for what, count in fleet.lost.most_common(10):
        print(f"  {count} x {what}")
    return not lost and not missing


def _missing(database_url: str, answered: set[str]) -> int:
    """Return how many answers have no ledger entry, once the ledger has had time to drain."""
    with psycopg.connect(database_url, autocommit=True) as database:
        for _ in range(int(LEDGER_SECONDS / LOOK_SECONDS)):
            found = {row[0] for row in database.execute("SELECT id FROM ledger").fetchall()}
            if answered <= found:
                return 0
            database.execute("SELECT pg_sleep(%s)", (LOOK_SECONDS,))
    return len(answered - found)


if __name__ == "__main__":
    sys.exit(main())
