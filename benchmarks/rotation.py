"""Secrets turn under load: the upstream key five times, then PostgreSQL's user and Redis's, over three replicas.

`python -m benchmarks.rotation [--seconds 60] [--stores 60] [--refresh 5] [--share 0.5]`. The secrets are in a Secrets
Manager (`moto_server`), and turn by `tidegate secrets rotate`, once also to a bad key by hand. The last old key is
deleted at the earliest moment that the command allows. Exits 1 where a call failed, a deleted or bad key was sent, or a
replica took longer than one refresh and 5 s.
"""

import argparse
import asyncio
import contextlib
import itertools
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator

import aiohttp
import uvloop

from benchmarks import closed_loop, processes
from benchmarks.callers import Callers
from benchmarks.contestants import MODEL
from benchmarks.processes import BenchmarkError
from benchmarks.replica import Replica
from benchmarks.rotation_parts import CALL_SECONDS, StoreUsers, Surroundings, surroundings
from benchmarks.steady import Call, steady_calls
from benchmarks.target import Target
from tidegate.storage import embedded

START_SECONDS = 900.0
"""The most that starts and ends take, on a busy machine."""
REPLICAS = 3
CAPACITY_SECONDS, CONNECTIONS = 5.0, 8
LATE_SECONDS = 5.0
"""By so much more than one refresh a replica may take."""
STORED_EACH_SECOND = 2.0
"""Calls that PostgreSQL stores, beside the load."""
BAD = "sk-bad-0000000000000000bad0"


class Verdicts:
    """What was promised, and whether it held."""

    def __init__(self) -> None:
        self.is_good = True

    def note(self, promise: str, seen: object, *, holds: bool) -> None:
        """Print one figure."""
        self.is_good &= holds
        print(f"| {promise} | {seen} | {'yes' if holds else 'NO'} |", flush=True)


def main() -> int:
    """Start, measure, turn, compare, tell."""
    options = _options()
    needed = START_SECONDS + 3 * (options.seconds + 2 * options.stores)
    try:
        with (
            processes.ending_within(options.deadline or needed),
            surroundings(options.port, options.refresh) as around,
            _running(options.port + 2, around) as replicas,
        ):
            return uvloop.run(_measure(options, around, replicas))
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of load while the key turns (default 60)")
    parser.add_argument("--stores", type=float, default=60.0, help="of load for each store (default 60)")
    parser.add_argument("--refresh", type=float, default=5.0, help="seconds between two reads (default 5)")
    parser.add_argument("--share", type=float, default=0.5, help="of the measured throughput (default 0.5)")
    processes.add_deadline(parser)
    parser.add_argument("--port", type=int, default=4760, help="the first of five ports (default 4760)")
    return parser.parse_args()


@contextlib.contextmanager
def _running(first_port: int, around: Surroundings) -> Iterator[list[Replica]]:
    replicas = [Replica(first_port + number, around.env) for number in range(REPLICAS)]
    try:
        for replica in replicas:
            replica.start()
        yield replicas
    finally:
        for replica in replicas:
            replica.stop()


async def _measure(options: argparse.Namespace, around: Surroundings, replicas: list[Replica]) -> int:
    capacity = await _capacity(around, replicas)
    rate = options.share * capacity
    print(f"throughput: {capacity:.0f} calls/s over {REPLICAS} replicas; the load is {rate:.0f} calls/s\n")
    print("| promise | seen | kept |\n|---|---|---|")
    verdicts, load = Verdicts(), _Load(around, replicas, rate)
    await _turn_key(options, around, replicas, load, verdicts)
    for users in around.stores:
        await _turn_store(options, around, replicas, load, verdicts, users)
    return 0 if verdicts.is_good else 1


async def _capacity(around: Surroundings, replicas: list[Replica]) -> float:
    """Return the answers a second of all replicas together."""
    rate = 0.0
    for name in ("warm", "capacity"):  # the lanes grow while they are warmed
        runs = (
            asyncio.to_thread(
                closed_loop.run,
                Target(url=f"{replica.root}/v1/chat/completions", key=around.key, model=MODEL),
                connections=CONNECTIONS, seconds=CAPACITY_SECONDS, kind="miss", name=f"{name} {secrets.token_hex(4)}",
            )
            for replica in replicas
        )  # fmt: skip
        rate = sum(calls.rate for calls in await asyncio.gather(*runs))
    return rate


class _Load:
    """A steady load on all replicas."""

    def __init__(self, around: Surroundings, replicas: list[Replica], rate: float) -> None:
        self._around = around
        self._replicas = replicas
        self._rate = rate
        self._numbers = itertools.count(time.time_ns())
        self.stored: Counter[int] = Counter()

    async def run(self, seconds: float) -> list[Call]:
        """Call for so long; return all calls. Those that PostgreSQL stores are counted in `stored`, by status."""
        self.stored.clear()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            loads = [
                steady_calls(
                    Callers(http, f"{one.root}/v1/chat/completions", self._around.key),
                    self._numbers, self._rate / len(self._replicas), seconds,
                )
                for one in self._replicas
            ]  # fmt: skip
            *calls, _ = await asyncio.gather(*loads, self._stored_calls(http, seconds))
        return list(itertools.chain.from_iterable(calls))

    async def _stored_calls(self, http: aiohttp.ClientSession, seconds: float) -> list[Call]:
        until = time.monotonic() + seconds
        for replica in itertools.cycle(self._replicas):
            if time.monotonic() >= until:
                return []
            body = {"model": MODEL, "input": f"remember {next(self._numbers)}"}
            headers = {"authorization": f"Bearer {self._around.key}"}
            async with http.post(f"{replica.root}/v1/responses", json=body, headers=headers) as answer:
                await answer.read()
                self.stored[answer.status] += 1
            await asyncio.sleep(1 / STORED_EACH_SECOND)
        return []


async def _turn_key(
    options: argparse.Namespace, around: Surroundings, replicas: list[Replica], load: _Load, verdicts: Verdicts
) -> None:
    """Turn the key four times by the command and once to a bad one by hand; delete the last old one."""
    calling = asyncio.create_task(load.run(options.seconds))
    begun, delays, pause = time.monotonic(), [], options.refresh + 2.0
    for number in range(5):
        await asyncio.sleep(max(0.0, begun + 1.0 + number * pause - time.monotonic()))
        if number == 1:
            await asyncio.to_thread(around.put_by_hand, "openai", BAD)
        elif number < 4:
            delays.append(await _turned(around, replicas, "openai", around.rotate_key()))
        else:
            delays.append(await _turned(around, replicas, "openai", around.rotate_key("--delete-old")))
    calls = await calling
    stats = await asyncio.to_thread(around.stats)
    refused = {key: one["refused"] for key, one in stats["keys"].items() if key != BAD[-4:] and one["refused"]}
    bad_calls = sum(count for route, count in stats["keys"][BAD[-4:]]["calls"].items() if route != "models")
    _tell_calls("key", calls, load, verdicts)
    deleted = around.deleted_accounts
    verdicts.note("key: old accounts deleted", len(deleted), holds=len(deleted) == 1)
    verdicts.note("key: calls on a deleted key", sum(refused.values()), holds=not refused)
    verdicts.note("key: calls with the bad key", bad_calls, holds=bad_calls == 0)
    _tell_delays("key", delays, options, verdicts)
    verdicts.note(
        "key: seconds until the old one was deleted", f"{around.deleted_after:.1f}",
        holds=around.deleted_after >= 2 * options.refresh + CALL_SECONDS,
    )  # fmt: skip


async def _turn_store(  # the run, and the store whose user turns
    options: argparse.Namespace,
    around: Surroundings,
    replicas: list[Replica],
    load: _Load,
    verdicts: Verdicts,
    users: StoreUsers,
) -> None:
    """Turn the user and the password of one store, and then take the old user away, with its connections."""
    calling = asyncio.create_task(load.run(options.stores))
    await asyncio.sleep(1.0)
    url = await asyncio.to_thread(users.make_second)
    delays = [await _turned(around, replicas, users.secret, around.rotate_value(users.secret, url))]
    await asyncio.sleep(min(options.refresh, 2.0))
    await asyncio.to_thread(users.drop_first)
    calls = await calling
    _tell_calls(users.secret, calls, load, verdicts)
    _tell_delays(users.secret, delays, options, verdicts)
    connected = await asyncio.to_thread(users.connected)
    verdicts.note(f"{users.secret}: the second user is connected", connected, holds=connected)


async def _turned(
    around: Surroundings, replicas: list[Replica], name: str, rotation: "asyncio._CoroutineLike[None]"
) -> float:
    """Rotate, and return the seconds from the moment that the value was current until the last replica used it."""
    before = await asyncio.to_thread(around.current_version, name)
    rotating = asyncio.create_task(rotation)
    while (version := await asyncio.to_thread(around.current_version, name)) == before:
        if rotating.done():
            await rotating
        await asyncio.sleep(0.05)
    moved, waited = time.time(), time.monotonic() + 60.0
    while len(times := [at for at in (around.used_at(one, name, version) for one in replicas) if at]) < len(replicas):
        if time.monotonic() > waited:
            raise BenchmarkError(f"{len(replicas) - len(times)} replicas did not use the new value within 60 s")
        await asyncio.sleep(0.1)
    await rotating
    return max(0.0, max(times) - moved)


def _tell_calls(name: str, calls: list[Call], load: _Load, verdicts: Verdicts) -> None:
    failed = Counter(_failure(call) for call in calls if not call.is_good)
    why = f" ({', '.join(f'{count} x {what}' for what, count in failed.most_common(3))})" if failed else ""
    verdicts.note(f"{name}: failed of {len(calls):,} calls", f"{failed.total()}{why}", holds=not failed and bool(calls))
    stored_failed = {status: count for status, count in load.stored.items() if status != 200}
    verdicts.note(f"{name}: failed of {load.stored.total()} stored calls", stored_failed or 0, holds=not stored_failed)


def _tell_delays(name: str, delays: list[float], options: argparse.Namespace, verdicts: Verdicts) -> None:
    told = ", ".join(f"{delay:.1f}" for delay in delays)
    most = options.refresh + LATE_SECONDS
    verdicts.note(f"{name}: seconds until all replicas turned (at most {most:g})", told, holds=max(delays) <= most)


def _failure(call: Call) -> str:
    if call.answer is None:
        return "no answer"
    return call.answer.error or f"{call.answer.status}, incomplete"


if __name__ == "__main__":
    sys.exit(main())
