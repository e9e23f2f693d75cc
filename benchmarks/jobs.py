"""Background responses over three replicas that are killed at random: none is lost, and none contradicts itself.

`python -m benchmarks.jobs [--jobs 60] [--kills 20] [--seed 1]`. Half of them are polled, half are read as a stream that
is taken up again, at any replica, whenever it breaks. Exits 1 where one has no end, a stream has a gap or says
something else the second time, or where fewer lines are in the ledger than calls were made upstream.
"""

import argparse
import asyncio
import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator
from random import Random, SystemRandom
from typing import Any

import aiohttp
import asyncpg
import msgspec
import uvloop

from benchmarks import gateway, processes
from benchmarks.chats import REPLICAS, Replica, environment
from benchmarks.contestants import FOLDER
from benchmarks.processes import OTHER_CORE, BenchmarkError
from tidegate.storage import embedded

MODEL = "gpt-4o-mini"
_SETTINGS = {
    "TIDEGATE_UPSTREAM__RPM": "1000000",
    "TIDEGATE_UPSTREAM__TPM": "1000000000",
    "TIDEGATE_BACKGROUND__LEASE_SECONDS": "1",
    "TIDEGATE_BUDGETS__LEASE_SECONDS": "1",
    "TIDEGATE_CACHE__LEASE_SECONDS": "0.5",
    "TIDEGATE_UPSTREAM__FORWARD_HEADERS": '["x-simulate-*"]',
    "TIDEGATE_LOG_LEVEL": "error",
}
_PACE = {"x-simulate-tps": "40", "x-simulate-tokens": "80"}
_LINES = "SELECT count(*) FROM ledger WHERE route = 'responses' AND at >= to_timestamp($1)"
_RETRY_SECONDS = 0.1
_END_SECONDS = 120.0
_LEDGER_SECONDS = 30.0

Json = dict[str, Any]


class Job:
    """One background response, as its caller comes to know it."""

    def __init__(self, http: aiohttp.ClientSession, urls: list[str], key: str, dice: Random, *, streamed: bool) -> None:
        self._http = http
        self._urls = urls
        self._headers = {"authorization": f"Bearer {key}", **_PACE}
        self._dice = dice
        self._streamed = streamed
        self.id = ""
        self.read: list[Json] = []
        """The events as they were read, over all connections."""
        self.answer: Json = {}

    async def live(self, question: str) -> None:
        """From the question to the answer, whatever breaks in between."""
        body = {"model": MODEL, "input": question, "background": True}
        promised = await self._insist("POST", "/responses", body)
        self.id = promised["id"]
        while self._streamed and not (self.read and self.read[-1]["type"] in ENDS):
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                await self._read_on()
        self.answer = await self._insist("GET", f"/responses/{self.id}")
        while self.answer["status"] in ("queued", "in_progress"):
            await asyncio.sleep(_RETRY_SECONDS)
            self.answer = await self._insist("GET", f"/responses/{self.id}")

    async def complaints(self) -> list[str]:
        """What is wrong with it."""
        if self.answer.get("status") not in ("completed", "failed"):
            return [f"{self.id}: has no end: {self.answer}"]
        first, self.read = self.read, []
        while not (self.read and self.read[-1]["type"] in ENDS):
            await self._read_on()
        found = []
        if [event["sequence_number"] for event in self.read] != list(range(len(self.read))):
            found.append(f"{self.id}: its stream has a gap")
        if first and first != self.read:
            found.append(f"{self.id}: its stream says something else the second time")
        if self.read[-1]["response"] != self.answer:
            found.append(f"{self.id}: its stream ends with another response")
        if not self._streamed and self.answer["status"] == "failed" and "ended while" not in _why(self.answer):
            found.append(f"{self.id}: failed, though nobody had read it: {_why(self.answer)}")
        return found

    async def _read_on(self) -> None:
        after = f"&starting_after={self.read[-1]['sequence_number']}" if self.read else ""
        url = f"{self._dice.choice(self._urls)}/responses/{self.id}?stream=true{after}"
        async with self._http.get(url, headers=self._headers) as stream:
            async for line in stream.content:
                if line.startswith(b"data: {"):
                    event = msgspec.json.decode(line.removeprefix(b"data: "))
                    if "sequence_number" in event and event["type"] != "error":
                        self.read.append(event)

    async def _insist(self, method: str, path: str, body: Json | None = None) -> Json:
        while True:
            url = self._dice.choice(self._urls) + path
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self._http.request(method, url, json=body, headers=self._headers) as answer:
                    document: Json = msgspec.json.decode(await answer.read())
                    if answer.status == 200:
                        return document
            await asyncio.sleep(_RETRY_SECONDS)


ENDS = ("response.completed", "response.failed", "response.incomplete")


def _why(answer: Json) -> str:
    return str((answer.get("error") or {}).get("message"))


def main() -> int:
    """Run, tell, judge."""
    options = _options()
    try:
        with processes.ending_within(options.deadline), _surroundings(options.port) as env:
            key = gateway.make_key(env)
            replicas = [Replica(options.port + number, env, FOLDER) for number in range(1, REPLICAS + 1)]
            return uvloop.run(_run(replicas, key, env, options))
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    processes.add_deadline(parser, 3600)
    parser.add_argument("--port", type=int, default=4850, help="the first of four ports (default 4850)")
    return parser.parse_args()


@contextlib.contextmanager
def _surroundings(port: int) -> Iterator[dict[str, str]]:
    with embedded.running(FOLDER / "jobs") as stores:
        root = f"http://127.0.0.1:{port}"
        env = {**environment(), **gateway.environment(f"{root}/v1", stores), **_SETTINGS}
        simulate = gateway.command("simulate", "--port", str(port))
        with processes.running("jobs-upstream", simulate, core=OTHER_CORE, folder=FOLDER, env=env) as upstream:
            processes.until_up(upstream, f"{root}/v1/models")
            yield env


async def _run(replicas: list[Replica], key: str, env: dict[str, str], options: argparse.Namespace) -> int:
    dice, urls, began = Random(options.seed), [replica.url for replica in replicas], time.time()
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http:
        try:
            await asyncio.gather(*(replica.start(http) for replica in replicas))
            jobs = [Job(http, urls, key, Random(dice.random()), streamed=n % 2 == 0) for n in range(options.jobs)]
            killing = asyncio.create_task(_kill(http, replicas, dice, options.kills))
            async with asyncio.timeout(_END_SECONDS + 10 * options.kills):
                await asyncio.gather(*(_begin(job, number, killing) for number, job in enumerate(jobs)))
            await killing
            complaints = [complaint for job in jobs for complaint in await job.complaints()]
            complaints += await _ledger_complaints(http, urls[0], key, env, since=began)
        finally:
            await asyncio.gather(*(replica.kill() for replica in replicas))
    ends = Counter(str(job.answer.get("status")) for job in jobs)
    print(f"{len(jobs)} background responses over {REPLICAS} replicas, {options.kills} kills (seed {options.seed}):")
    print(f"  {dict(ends)}; a failed one was read when its process died, or lost four processes")
    print(f"{len(complaints)} complaints")
    for complaint in complaints[:20]:
        print(f"  {complaint[:300]}")
    return 1 if complaints else 0


async def _begin(job: Job, number: int, killing: "asyncio.Task[None]") -> None:
    """One after another, for as long as there is killing."""
    await asyncio.wait({killing}, timeout=number * 0.5)
    await job.live(f"job {number}, {time.time_ns()}")


async def _kill(http: aiohttp.ClientSession, replicas: list[Replica], dice: Random, kills: int) -> None:
    for _ in range(kills):
        await asyncio.sleep(dice.uniform(0.5, 1.5))
        victim = dice.choice(replicas)
        await victim.kill()
        await victim.start(http)


async def _ledger_complaints(
    http: aiohttp.ClientSession, url: str, key: str, env: dict[str, str], *, since: float
) -> list[str]:
    """Each call upstream has a line, of its own attempt or as lost."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": f"last {time.time_ns()}"}]}
    async with http.post(f"{url}/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}) as answer:
        await answer.read()  # what is lost is found by whoever comes next
    simulator = env["TIDEGATE_UPSTREAM__BASE_URL"].removesuffix("/v1") + "/simulator/stats"
    async with http.get(simulator) as stats:
        calls = (await stats.json())["calls"].get("responses", 0)
    database = await asyncpg.connect(env["TIDEGATE_DATABASE_URL"])
    try:
        deadline, lines = time.monotonic() + _LEDGER_SECONDS, 0
        while lines < calls and time.monotonic() < deadline:
            lines = await database.fetchval(_LINES, since)
            await asyncio.sleep(_RETRY_SECONDS)
        print(f"{calls} calls upstream, {lines} lines in the ledger")
        return [] if lines >= calls else [f"{calls} calls were made upstream, and the ledger has {lines} lines"]
    finally:
        await database.close()


if __name__ == "__main__":
    sys.exit(main())
