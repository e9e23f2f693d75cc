"""200 chats at once over three replicas that are killed at random: each is stored as it was acknowledged.

`python -m benchmarks.chats [--chats 200] [--turns 6] [--kills 12] [--seed 1]`; exits 1 where a turn is missing or two
are interleaved. Before, in the same run, what storing a call costs: the same call stored and unstored, in turns.
"""

import argparse
import asyncio
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import aiohttp
import msgspec
import uvloop

from benchmarks import gateway, processes
from benchmarks.contestants import FOLDER
from benchmarks.processes import OTHER_CORE, BenchmarkError
from benchmarks.talks import MODEL, House, Talk
from tidegate.storage import embedded

REPLICAS = 3
_UP_SECONDS = 60.0
_SETTINGS = {
    "TIDEGATE_UPSTREAM__RPM": "1000000",
    "TIDEGATE_UPSTREAM__TPM": "1000000000",
    "TIDEGATE_LOG_LEVEL": "error",
}
_PAIRS = 400
_WARM = 40


class Replica:
    """One gateway that may be killed, and comes up again on its port."""

    def __init__(self, port: int, env: Mapping[str, str], folder: Path) -> None:
        self.url = f"http://127.0.0.1:{port}/v1"
        self._command = gateway.command("serve", "--port", str(port))
        self._env = env
        self._log = folder / f"chats-{port}.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, http: aiohttp.ClientSession) -> None:
        """Come up."""
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdout=output, stderr=output, env=dict(self._env)
            )
        deadline = time.monotonic() + _UP_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(self.url.removesuffix("/v1") + "/livez") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)
        raise BenchmarkError(f"{self.url} did not come up; see {self._log}")

    async def kill(self) -> None:
        """End at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


def main() -> int:
    """Run, tell, judge."""
    options = _options()
    try:
        with processes.ending_within(options.deadline), _surroundings(options.port) as env:
            key = gateway.make_key(env)
            folder = FOLDER
            replicas = [Replica(options.port + number, env, folder) for number in range(1, REPLICAS + 1)]
            return uvloop.run(_measure(replicas, key, options))
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chats", type=int, default=200)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    processes.add_deadline(parser, 3600)
    parser.add_argument("--port", type=int, default=4800, help="the first of four ports (default 4800)")
    return parser.parse_args()


@contextlib.contextmanager
def _surroundings(port: int) -> Iterator[dict[str, str]]:
    with embedded.running(FOLDER / "chats") as stores:
        root = f"http://127.0.0.1:{port}"
        env = {**environment(), **gateway.environment(f"{root}/v1", stores), **_SETTINGS}
        simulate = gateway.command("simulate", "--port", str(port))
        with processes.running("chats-upstream", simulate, core=OTHER_CORE, folder=FOLDER, env=env) as upstream:
            processes.until_up(upstream, f"{root}/v1/models")
            yield env


def environment() -> dict[str, str]:
    """That of this process."""
    kept = subprocess.run(["env", "-0"], capture_output=True, check=True).stdout.decode().split("\0")
    return dict(line.split("=", 1) for line in kept if "=" in line)


async def _measure(replicas: list[Replica], key: str, options: argparse.Namespace) -> int:
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http:
        try:
            await asyncio.gather(*(replica.start(http) for replica in replicas))
            await _tell_cost(http, replicas[0].url, key)
            return await _chat(http, replicas, key, options)
        finally:
            await asyncio.gather(*(replica.kill() for replica in replicas))


async def _tell_cost(http: aiohttp.ClientSession, url: str, key: str) -> None:
    for path, body in (
        ("/responses", {"model": MODEL}),
        ("/chat/completions", {"model": MODEL}),
    ):
        plain: list[float] = []
        stored: list[float] = []
        for number in range(_WARM + _PAIRS):
            pair = [(False, plain), (True, stored)]
            for store, times in pair if number % 2 else pair[::-1]:
                text = f"{path} {number} {store} {time.time_ns()}"
                said: Any = text if path == "/responses" else [{"role": "user", "content": text}]
                given = {**body, "store": store, ("input" if path == "/responses" else "messages"): said}
                began = time.perf_counter()
                async with http.post(url + path, json=given, headers={"authorization": f"Bearer {key}"}) as answer:
                    data = await answer.read()
                if answer.status != 200:
                    raise BenchmarkError(f"{path}: {answer.status} {data!r}")
                if number >= _WARM:
                    times.append((time.perf_counter() - began) * 1000)
        _tell(path, plain, stored)


def _tell(path: str, plain: list[float], stored: list[float]) -> None:
    more = statistics.median(one - other for one, other in zip(stored, plain, strict=True))
    calm, calm_stored = (statistics.quantiles(times, n=10)[0] for times in (plain, stored))
    print(
        f"{path}: {statistics.median(plain):.2f} ms unstored, {statistics.median(stored):.2f} ms stored; "
        f"{more:.2f} ms more (median of {_PAIRS} pairs). In calm moments (10th percentile) {calm:.2f} and "
        f"{calm_stored:.2f} ms: {calm_stored - calm:.2f} ms more",
        flush=True,
    )


async def _chat(http: aiohttp.ClientSession, replicas: list[Replica], key: str, options: argparse.Namespace) -> int:
    dice = Random(options.seed)
    house = House(http, [replica.url for replica in replicas], key)
    talks = [Talk(house, Random(dice.random()), named=number % 2 == 0) for number in range(options.chats)]
    began = time.monotonic()
    talking = asyncio.gather(*(_talk(talk, number, options.turns) for number, talk in enumerate(talks)))
    kills = asyncio.create_task(_kill(http, replicas, dice, options.kills))
    await talking
    took = time.monotonic() - began
    killed = await kills
    complaints = [complaint for talk in talks for complaint in await talk.complaints()]
    turns, broken = sum(len(talk.turns) for talk in talks), sum(talk.broken for talk in talks)
    print(
        f"{len(talks)} chats, {turns} turns acknowledged in {took:.0f} s over {REPLICAS} replicas, {killed} kills "
        f"(seed {options.seed}); {broken} calls broke off or were told to wait, and were made again"
    )
    print(f"{len(complaints)} complaints")
    for complaint in complaints[:20]:
        print(f"  {complaint[:300]}")
    whole = turns == options.chats * options.turns
    return 0 if whole and not complaints else 1


async def _talk(talk: Talk, number: int, turns: int) -> None:
    await talk.begin()
    for turn in range(turns):
        await talk.say(f"chat {number}, turn {turn}, {msgspec.json.encode(time.time_ns()).decode()}")


async def _kill(http: aiohttp.ClientSession, replicas: list[Replica], dice: Random, kills: int) -> int:
    for _ in range(kills):
        await asyncio.sleep(dice.uniform(0.2, 1.0))
        victim = dice.choice(replicas)
        await victim.kill()
        await victim.start(http)
    return kills


if __name__ == "__main__":
    sys.exit(main())
