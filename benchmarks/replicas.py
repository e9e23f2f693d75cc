"""Three replicas behind a TCP balancer: Redis is stopped, then replicas are killed, then both at once.

`python -m benchmarks.replicas [--stopped 60] [--killing 120] [--both 60] [--every 10]`, each in seconds. Exits 1 where
a call failed that was not in flight on a killed replica, where the balancer took a replica out that was not killed, or
where an answer has not exactly one entry in the ledger.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import aiohttp
import msgspec
import psutil
import psycopg
import uvloop

from benchmarks import gateway, processes
from benchmarks.balancer import Balancer
from benchmarks.callers import Answer, Callers
from benchmarks.contestants import FOLDER
from benchmarks.processes import BenchmarkError
from benchmarks.replica import LOOK_SECONDS, Replica
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls

REPLICAS = 3
WARM_SECONDS = 5.0
START_SECONDS = 600.0
"""The most that starts and ends take, on a busy machine."""
LEDGER_SECONDS = 90.0
CALL_SECONDS = 60.0
SECONDS_A_CALLER = 2.0
"""In which one caller begins one call; the simulator takes about one."""
UNLIMITED = {"TIDEGATE_UPSTREAM__RPM": "1000000", "TIDEGATE_UPSTREAM__TPM": "1000000000"}


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One call: which phase it ended in, and what came of it."""

    phase: str
    answer: Answer | None
    """None: the connection broke, or nothing came within CALL_SECONDS."""
    error: str = ""
    was_killed: bool = False
    """Whether its replica was killed before its end, and after its connection was made."""

    @property
    def is_good(self) -> bool:
        """Whether it was answered whole."""
        return self.answer is not None and self.answer.status == 200 and self.answer.complete


class Load:
    """Callers with one connection each, who call at a steady rate until they are told to stop."""

    def __init__(self, balancer: Balancer, key: str, rate: float) -> None:
        self.phase = "before"
        self.sent: list[Sent] = []
        self._balancer = balancer
        self._key = key
        self._count = max(1, round(rate * SECONDS_A_CALLER))
        self._numbers = itertools.count(time.time_ns())

    @contextlib.asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """Call while the block runs; then wait for the last answers."""
        ended = asyncio.Event()
        callers = [asyncio.create_task(self._caller(number, ended)) for number in range(self._count)]
        try:
            yield
            ended.set()
            await asyncio.gather(*callers)
        finally:
            for caller in callers:
                caller.cancel()

    async def _caller(self, number: int, ended: asyncio.Event) -> None:
        address = f"127.0.{1 + number // 250}.{1 + number % 250}"  # by which the balancer knows the caller
        connector = aiohttp.TCPConnector(limit=1, local_addr=(address, 0))
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        await asyncio.sleep(SECONDS_A_CALLER * number / self._count)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
            callers = Callers(http, f"{self._balancer.root}/v1/chat/completions", self._key)
            while not ended.is_set():
                begun = time.monotonic()
                self.sent.append(await self._one(callers, address))
                await asyncio.sleep(begun + SECONDS_A_CALLER - time.monotonic())

    async def _one(self, callers: Callers, address: str) -> Sent:
        number = next(self._numbers)
        answer, error = None, ""
        try:
            # every other question is asked twice at about the same time: two replicas share its upstream call
            question = f"question {number // 2 if number % 4 < 2 else number}"
            answer = await (callers.stream(question) if number % 3 else callers.whole(question))
        except (aiohttp.ClientError, TimeoutError) as caught:
            error = repr(caught)
        replica, kills = self._balancer.behind.get(address, (None, 0))
        killed = replica is not None and replica.kills > kills
        return Sent(phase=self.phase, answer=answer, error=error, was_killed=killed)


def main() -> int:
    """Load, stop, kill, compare, tell."""
    options = _options()
    needed = START_SECONDS + 3 * (options.stopped + options.killing + options.both)
    try:
        with (
            processes.ending_within(options.deadline or needed),
            _surroundings(options.port) as (env, stores),
            tempfile.TemporaryDirectory(prefix="tidegate-replicas-") as folder,
        ):
            key = gateway.make_key(env)
            replicas = [
                Replica(options.port + 2 + number, {**env, "TIDEGATE_DATA_DIR": f"{folder}/{number}"})
                for number in range(REPLICAS)
            ]
            return uvloop.run(_measure(options, replicas, key, stores))
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=30.0, help="calls a second (default 30)")
    parser.add_argument("--stopped", type=float, default=60.0, help="seconds for which Redis is stopped (default 60)")
    parser.add_argument("--killing", type=float, default=120.0, help="seconds in which replicas die (default 120)")
    parser.add_argument("--both", type=float, default=60.0, help="seconds of both at once (default 60)")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two kills (default 10)")
    processes.add_deadline(parser)
    parser.add_argument("--port", type=int, default=4720, help="the first of five ports (default 4720)")
    return parser.parse_args()


@contextlib.contextmanager
def _surroundings(port: int) -> Iterator[tuple[dict[str, str], StoreUrls]]:
    command = gateway.command("simulate", "--port", str(port), "--latency", "0.3", "--tps", "25")
    running = processes.running("replicas-upstream", command, core=None, folder=FOLDER)
    with embedded.running(FOLDER / "replicas") as stores, running as program:
        processes.until_up(program, f"http://127.0.0.1:{port}/v1/models")
        yield gateway.environment(f"http://127.0.0.1:{port}/v1", stores) | UNLIMITED, stores


async def _measure(options: argparse.Namespace, replicas: list[Replica], key: str, stores: StoreUrls) -> int:
    try:
        await asyncio.gather(*(asyncio.to_thread(replica.start) for replica in replicas))
        async with Balancer(options.port + 1, replicas) as balancer:
            load = Load(balancer, key, options.rate)
            async with load.calling():
                downs = await _phases(options, replicas, balancer, load)
            missing = await asyncio.to_thread(_wrong_entries, stores.database_url, load.sent)
    finally:
        await asyncio.gather(*(asyncio.to_thread(replica.stop) for replica in replicas))
    return _verdict(load.sent, downs, missing)


async def _phases(
    options: argparse.Namespace, replicas: list[Replica], balancer: Balancer, load: Load
) -> dict[str, "Downs"]:
    """Play one phase after the other; say of each which replicas were killed, and which were taken out."""
    downs: dict[str, Downs] = {}
    for phase, seconds, stops, kills in (
        ("before", WARM_SECONDS, False, False),
        ("Redis stopped", options.stopped, True, False),
        ("between", WARM_SECONDS, False, False),
        ("replicas killed", options.killing, False, True),
        ("both", options.both, True, True),
        ("after", WARM_SECONDS, False, False),
    ):
        load.phase, already, before = phase, len(balancer.taken_out), sum(replica.kills for replica in replicas)
        async with _stopped_redis() if stops and seconds else contextlib.nullcontext():
            await (_kill(replicas, seconds, options.every) if kills else asyncio.sleep(seconds))
        taken_out = [f"{one.port}: {one.why}" for one in balancer.taken_out[already:]]
        downs[phase] = Downs(sum(replica.kills for replica in replicas) - before, taken_out)
    return downs


class Downs(msgspec.Struct, frozen=True):
    """What happened to replicas in one phase."""

    killed: int
    taken_out: Sequence[str]
    """By the balancer, and why."""

    @property
    def without_cause(self) -> int:
        """How many were taken out although they were not killed."""
        return max(0, len(self.taken_out) - self.killed)


async def _kill(replicas: list[Replica], seconds: float, every: float) -> None:
    """Kill one after the other, and start each again, which an orchestrator does as soon as it notices."""
    until = time.monotonic() + seconds
    for replica in itertools.cycle(replicas):
        begun = time.monotonic()
        if begun >= until:
            return
        await asyncio.to_thread(replica.kill)
        await asyncio.to_thread(replica.start)
        while not replica.is_ready:  # noqa: ASYNC110  # the balancer's own view is all there is
            await asyncio.sleep(LOOK_SECONDS)
        await asyncio.sleep(max(0.0, begun + every - time.monotonic()))


@contextlib.asynccontextmanager
async def _stopped_redis() -> AsyncIterator[None]:
    process = psutil.Process(int((FOLDER / "replicas" / "redis" / "redis.pid").read_text()))
    os.kill(process.pid, signal.SIGTERM)
    try:
        yield
    finally:
        await asyncio.to_thread(_start_stores, FOLDER / "replicas")


def _start_stores(folder: Path) -> None:
    with embedded.running(folder):  # starts what does not run; the first user stops them at the end
        pass


def _wrong_entries(database_url: str, sent: Sequence[Sent]) -> list[str]:
    """Return the ids of answers without exactly one entry, once the ledger has had time to drain."""
    given = [call.answer.request_id for call in sent if call.answer is not None and call.is_good]
    until = time.monotonic() + LEDGER_SECONDS
    while True:
        with psycopg.connect(database_url) as database:
            found = database.execute("SELECT id, count(*) FROM ledger WHERE id = ANY(%s) GROUP BY id", (given,))
            once = {name for name, count in found.fetchall() if count == 1}
        if len(once) == len(given) or time.monotonic() > until:
            return [name for name in given if name not in once]
        time.sleep(0.5)


def _verdict(sent: Sequence[Sent], downs: dict[str, "Downs"], missing: Sequence[str]) -> int:
    print("| phase | calls | answered whole | cut off with their replica | failed otherwise | killed | taken out |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    reasons: Counter[str] = Counter()
    for phase, down in downs.items():
        calls = [call for call in sent if call.phase == phase]
        bad = [call for call in calls if not call.is_good]
        cut = [call for call in bad if call.answer is None and call.was_killed]
        reasons.update(f"{phase}: {_reason(call)}" for call in bad if call not in cut)
        print(
            f"| {phase} | {len(calls):,} | {len(calls) - len(bad):,} | {len(cut)} | {len(bad) - len(cut)} "
            f"| {down.killed} | {len(down.taken_out)} |"
        )
        for why in down.taken_out if down.without_cause else ():
            print(f"  taken out in {phase}: {why}")
    for what, count in reasons.most_common(10):
        print(f"  {count} x {what}")
    print(f"answers without exactly one entry in the ledger: {len(missing)}")
    good = not missing and not reasons and not any(down.without_cause for down in downs.values())
    return 0 if good and any(call.is_good for call in sent) else 1


def _reason(call: Sent) -> str:
    answer = call.answer
    return call.error if answer is None else f"{answer.status} {answer.error}, whole: {answer.complete}"


if __name__ == "__main__":
    sys.exit(main())
