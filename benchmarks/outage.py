"""A steady load, and an outage of the upstream in its middle: with a second target, and with none.

`python -m benchmarks.outage --minutes 2 --kind errors` prints the figures. `errors`: the upstream answers 503 to every
call; `refused`: nobody listens at its address; `silent`: it is stopped (SIGSTOP) and answers nothing. Calls are sent on
a schedule, whether or not those before were answered; half of them ask what was asked before the outage.
"""

import argparse
import asyncio
import contextlib
import json
import math
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator

import aiohttp
import msgspec
import uvloop

from benchmarks import gateway, processes
from benchmarks.contestants import FOLDER
from benchmarks.processes import MEASURED_CORE, OTHER_CORE, BenchmarkError, Program
from tidegate.storage import embedded

MODEL = "gpt-4o-mini"
ASKED_BEFORE = 200
"""Questions whose answers are stored before the outage."""
FRESH_SECONDS = 1
"""So long a stored answer is fresh, so that all are stale in the outage."""
CANNED = "We will be back in a moment."
AFTER_SECONDS = 20.0
START_SECONDS = 600.0
"""The most that starts and ends take, on a busy machine."""
LONGEST_CALL = 30.0


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one call met."""

    at: float
    """Seconds from the outage's begin at which it was sent."""
    known: bool
    """It asks what was asked before."""
    status: int
    """0 for none."""
    seconds: float
    cache: str
    served_by: str
    error: str
    waits: bool
    """It says when to come again."""


class Rig(msgspec.Struct, frozen=True, kw_only=True):
    """The upstreams, and the replicas of one configuration."""

    stack: contextlib.ExitStack
    upstream: Program
    first: str
    replicas: tuple[str, ...]
    key: str


def main() -> int:
    """Run both configurations; 1 where a promise was not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=0.5, help="of the outage (default 0.5)")
    parser.add_argument("--rate", type=float, default=200.0, help="calls a second (default 200)")
    parser.add_argument("--kind", choices=("errors", "refused", "silent"), default="errors")
    parser.add_argument("--replicas", type=int, default=2)
    processes.add_deadline(parser)
    parser.add_argument("--port", type=int, default=4650, help="the first of some ports (default 4650)")
    parser.add_argument("--only", choices=("second", "none"), help="one configuration only")
    options = parser.parse_args()
    kept = True
    try:
        with processes.ending_within(options.deadline or START_SECONDS + 600 * options.minutes):
            for second in (True, False):
                if options.only is None or (options.only == "second") is second:
                    with rig(options, second=second) as all_of_it:
                        kept &= uvloop.run(_measure(all_of_it, options, second=second))
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1
    return int(not kept)


@contextlib.contextmanager
def rig(options: argparse.Namespace, *, second: bool) -> Iterator[Rig]:
    """Stores, one or two upstreams, and the replicas."""
    port = options.port
    with contextlib.ExitStack() as stack:
        stores = stack.enter_context(embedded.running(FOLDER / "outage"))
        first = f"http://127.0.0.1:{port}/v1"
        upstream = _start(
            stack, "first", gateway.command("simulate", "--port", str(port), "--latency", "0.02"), {}, first
        )
        env = gateway.environment(first, stores) | {
            "TIDEGATE_CACHE__TTL_SECONDS": str(FRESH_SECONDS),
            "TIDEGATE_METERING__SPOOL_DIR": str(FOLDER / "outage" / "spool"),
        }
        if second:
            other = f"http://127.0.0.1:{port + 1}/v1"
            _start(
                stack, "second", gateway.command("simulate", "--port", str(port + 1), "--latency", "0.02"), {}, other
            )
            env |= _with_second(other)
        else:
            route = {MODEL: {"targets": [{"provider": "openai"}], "canned_reply": CANNED}}
            env["TIDEGATE_ROUTES"] = json.dumps(route)
        key = gateway.make_key(env)
        replicas = []
        for number in range(options.replicas):
            root = f"http://127.0.0.1:{port + 2 + number}"
            _start(stack, f"replica-{number}", gateway.command("serve", "--port", str(port + 2 + number)), env, root)
            replicas.append(f"{root}/v1/chat/completions")
        yield Rig(stack=stack, upstream=upstream, first=first, replicas=tuple(replicas), key=key)


def _simulate(port: int) -> list[str]:
    return gateway.command("simulate", "--port", str(port), "--latency", "0.02")


def _with_second(address: str) -> dict[str, str]:
    credentials = [{"name": "main", "api_key": "sk-second"}]
    provider = {"kind": "openai_compatible", "base_url": address, "credentials": credentials}
    targets = [{"provider": "openai"}, {"provider": "second"}]
    return {
        "TIDEGATE_PROVIDERS": json.dumps({"second": provider}),
        "TIDEGATE_ROUTES": json.dumps({MODEL: {"targets": targets, "fallback_steps": {"stale": False}}}),
    }


def _start(stack: contextlib.ExitStack, name: str, command: list[str], env: dict[str, str], address: str) -> Program:
    core = MEASURED_CORE if name.startswith("replica") else OTHER_CORE
    program = stack.enter_context(processes.running(name, command, core=core, folder=FOLDER, env=env))
    processes.until_up(program, f"{address}/models" if address.endswith("/v1") else f"{address}/livez")
    return program


class Outage:
    """Begins and ends it, and counts what the upstream was asked meanwhile, where it can tell."""

    def __init__(self, rig: Rig, kind: str, port: int, http: aiohttp.ClientSession) -> None:
        self._rig = rig
        self._kind = kind
        self._port = port
        self._http = http

    async def begin(self) -> None:
        """From now on the first upstream fails."""
        if self._kind == "errors":
            await self._faults({"overloaded": 1.0})
        elif self._kind == "silent":
            self._signal(signal.SIGSTOP)
        else:
            await asyncio.to_thread(self._rig.upstream.stop)

    async def end(self) -> None:
        """It is well again."""
        if self._kind == "errors":
            await self._faults({"overloaded": 0.0})
        elif self._kind == "silent":
            self._signal(signal.SIGCONT)
        else:
            await asyncio.to_thread(_start, self._rig.stack, "first", _simulate(self._port), {}, self._rig.first)

    async def asked(self) -> int:
        """How often it was asked so far: calls and probes."""
        async with self._http.get(f"{self._rig.first.removesuffix('/v1')}/simulator/stats") as answer:
            stats = await answer.json()
        return sum(int(count) for count in stats["calls"].values())

    def _signal(self, number: signal.Signals) -> None:
        for process in self._rig.upstream.tree():
            process.send_signal(number)

    async def _faults(self, faults: dict[str, float]) -> None:
        url = f"{self._rig.first.removesuffix('/v1')}/simulator/faults"
        async with self._http.post(url, json=faults) as answer:
            answer.raise_for_status()


class Load:
    """Calls on a schedule."""

    def __init__(self, rig: Rig, http: aiohttp.ClientSession, rate: float) -> None:
        self._rig = rig
        self._http = http
        self._rate = rate
        self._random = random.Random(1)  # the same questions each time
        self.seen: list[Seen] = []
        self.began = 0.0
        self._rest: set[asyncio.Task[None]] = set()

    async def prepare(self) -> None:
        """Ask once what will be asked again."""
        for number in range(ASKED_BEFORE):
            await self._call(number, known=True)
        self.seen.clear()

    async def run(self, seconds: float) -> None:
        """For so long."""
        loop = asyncio.get_running_loop()
        start, sent, calls = loop.time(), 0, self._rest
        while loop.time() - start < seconds:
            while sent < (loop.time() - start) * self._rate:
                known = self._random.random() < 0.5
                number = self._random.randrange(ASKED_BEFORE) if known else 10**6 + self._random.randrange(10**9)
                call = asyncio.create_task(self._call(number, known=known))
                calls.add(call)
                call.add_done_callback(calls.discard)
                sent += 1
            await asyncio.sleep(0.5 / self._rate)

    async def rest(self) -> None:
        """Wait for the calls that are still under way."""
        if self._rest:
            await asyncio.wait(self._rest)

    async def _call(self, number: int, *, known: bool) -> None:
        sent = time.monotonic()
        body = {"model": MODEL, "messages": [{"role": "user", "content": f"Question {number}"}], "max_tokens": 8}
        headers = {"authorization": f"Bearer {self._rig.key}"}
        url = self._rig.replicas[number % len(self._rig.replicas)]
        status, told = 0, dict[str, str]()
        try:
            timeout = aiohttp.ClientTimeout(total=LONGEST_CALL)
            async with self._http.post(url, json=body, headers=headers, timeout=timeout) as answer:
                await answer.read()
                status, told = answer.status, dict(answer.headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            told = {"x-tidegate-error": type(error).__name__}
        named = {name.lower(): value for name, value in told.items()}
        self.seen.append(
            Seen(
                at=sent - self.began,
                known=known,
                status=status,
                seconds=time.monotonic() - sent,
                cache=named.get("x-tidegate-cache", ""),
                served_by=named.get("x-tidegate-served-by", ""),
                error=named.get("x-tidegate-error", ""),
                waits="retry-after" in named,
            )
        )


async def _measure(rig: Rig, options: argparse.Namespace, *, second: bool) -> bool:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        outage, load = Outage(rig, options.kind, options.port, http), Load(rig, http, options.rate)
        await load.prepare()
        await load.run(5.0)  # warm
        await load.rest()
        load.seen.clear()
        lasts = options.minutes * 60
        load.began = time.monotonic() + 5.0
        before = await outage.asked()
        running = asyncio.create_task(load.run(5.0 + lasts + AFTER_SECONDS))
        await asyncio.sleep(load.began - time.monotonic())
        if options.kind == "errors":
            before = await outage.asked()
        await outage.begin()
        await asyncio.sleep(load.began + lasts - time.monotonic())
        asked = await outage.asked() - before if options.kind == "errors" else None
        await outage.end()
        lasts = time.monotonic() - load.began
        await running
        await load.rest()
    return _report(load.seen, options, lasts, asked, second=second)


def _report(seen: list[Seen], options: argparse.Namespace, lasts: float, asked: int | None, *, second: bool) -> bool:
    during = [one for one in seen if 0 <= one.at < lasts]
    answered = [one for one in during if one.status == 200]
    what = "with a second target" if second else "with no other target"
    print(f"{what}: {len(during):,} calls in {lasts:.0f} s of outage ({options.kind}), {options.replicas} replicas")
    print(f"  answered {len(answered):,} ({len(answered) / max(1, len(during)):.3%}); {_times(during)}")
    if failed := Counter(one.error for one in during if one.status != 200):
        print(f"  not answered: {', '.join(f'{count:,} {name}' for name, count in failed.most_common())}")
    kept = len(answered) >= 0.999 * len(during) if second else _report_spares(during)
    recovered = _recovery(seen, lasts)
    print(f"  recovery: the first target answers again {recovered:.1f} s after its return")
    if asked is not None:
        each = asked / lasts / options.replicas
        print(f"  the failing upstream was asked {asked:,} times, {each:.2f} a second for each replica")
    return kept and recovered <= 5.0


def _report_spares(during: list[Seen]) -> bool:
    settled = [one for one in during if one.at > 1.0]  # until the breaker opens, calls find out by failing
    known = [one for one in settled if one.known]
    stale = [one for one in known if one.cache == "stale"]
    canned = [one for one in settled if one.served_by == "canned"]
    refused = [one for one in settled if one.status != 200]
    slow = [one for one in refused if one.seconds > 0.05]
    print(f"  asked before: {len(stale):,} of {len(known):,} answered stale and labelled; {_times(stale)}")
    print(f"  others: {len(canned):,} canned, {len(refused):,} refused; {_times(refused)}")
    return len(stale) >= 0.999 * len(known) and not slow


def _recovery(seen: list[Seen], lasts: float) -> float:
    """Seconds after the outage's end from which on no call went anywhere else."""
    after = [one for one in seen if one.at >= lasts]
    elsewhere = [one.at - lasts for one in after if not _by_first(one)]
    return max(elsewhere, default=0.0)


def _by_first(one: Seen) -> bool:
    return one.status == 200 and one.served_by.startswith("openai/") and one.cache != "stale"


def _times(seen: Iterable[Seen]) -> str:
    seconds = sorted(one.seconds for one in seen)
    if not seconds:
        return "none"
    p50, p99 = seconds[len(seconds) // 2], seconds[math.ceil(0.99 * len(seconds)) - 1]
    return f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, longest {seconds[-1] * 1000:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
