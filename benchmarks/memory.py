"""What large calls leave in memory, and what they take of it while the upstream is away.

`python -m benchmarks.memory [--calls 1000] [--minutes 5]`. First calls of 10 MB fail one after another, in ten ways.
Then 40 callers with four keys send 5 MB each by the official SDK, with its retries, through an outage: for half of the
time the upstream answers 503, for the other half it is silent. Exits 1 when a bound is passed.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import msgspec
import openai
import uvloop

from benchmarks import gateway, processes
from benchmarks.contestants import FOLDER
from benchmarks.processes import MEASURED_CORE, OTHER_CORE, BenchmarkError, Program
from tidegate.storage import embedded

MODEL = "gpt-4o-mini"
MODELS_OF = {"rate_limited": "gpt-4o", "request_too_large": "gpt-4.1"}
"""Other models for what refuses a call for its rate or its size: the next calls of that model have to wait."""
FAULTS = (
    "rate_limited", "server_error", "overloaded", "content_policy", "html_from_proxy",
    "connection", "truncated", "malformed", "context_length", "request_too_large",
)  # fmt: skip
FAILED_BYTES = 10_000_000
MAX_GROWTH_BYTES = 20_000_000
CALLERS = 40
KEYS = 4
OUTAGE_BYTES = 5_000_000
MAX_OUTAGE_BYTES = 400_000_000
SDK_RETRIES = 2
LOOK_SECONDS = 0.25
LOOKS = 4
QUEUE_SECONDS = "3"
"""For which a call that was refused for its rate waits and is sent again."""
START_SECONDS = 600.0
"""The most that starts and ends take, on a busy machine."""
READINGS = 10
"""Of the first part, besides the one after the first failure of each kind, which may load what counts tokens."""
SETTINGS = {"TIDEGATE_UPSTREAM__FORWARD_HEADERS": '["x-simulate-*"]'}
EACH_CALL_IS_SENT = {
    "TIDEGATE_BREAKER__FAILURE_THRESHOLD": "1000000",
    "TIDEGATE_BREAKER__MIN_CALLS": "1000000",
    "TIDEGATE_RETRIES__MAX_RETRIES": "0",
}
"""Otherwise the breaker would refuse most of the failing calls before they are sent."""


class Rig(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway and its upstream."""

    program: Program
    upstream: Program
    root: str
    upstream_root: str
    keys: tuple[str, ...]


def main() -> int:
    """Run both, print the figures; 1 where a bound was passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000, help="that fail one after another (default 1000)")
    parser.add_argument("--minutes", type=float, default=5.0, help="of the outage (default 5)")
    parser.add_argument("--only", choices=("failures", "outage"), help="one of the two only")
    processes.add_deadline(parser)
    parser.add_argument("--port", type=int, default=4750, help="the first of two ports (default 4750)")
    options = parser.parse_args()
    try:
        kept = []
        with processes.ending_within(options.deadline or START_SECONDS + options.calls + 240 * options.minutes):
            if options.only != "outage":
                with rig(options.port, EACH_CALL_IS_SENT, keys=1) as one:
                    kept.append(uvloop.run(_failures(one, options.calls)))
            if options.only != "failures":
                with rig(options.port, {}, keys=KEYS) as one:
                    kept.append(uvloop.run(_outage(one, options.minutes * 60)))
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1
    return int(not all(kept))


@contextlib.contextmanager
def rig(port: int, settings: dict[str, str], *, keys: int) -> Iterator[Rig]:
    """Stores, an upstream, and a gateway with so many keys."""
    upstream_root, root = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"
    with tempfile.TemporaryDirectory(prefix="tidegate-memory-") as folder, contextlib.ExitStack() as stack:
        stores = stack.enter_context(embedded.running(Path(folder)))
        command = gateway.command("simulate", "--port", str(port), "--latency", "0.02")
        upstream = stack.enter_context(processes.running("memory-upstream", command, core=OTHER_CORE, folder=FOLDER))
        processes.until_up(upstream, f"{upstream_root}/v1/models")
        env = gateway.environment(f"{upstream_root}/v1", stores) | SETTINGS | settings
        env["TIDEGATE_METERING__SPOOL_DIR"] = str(Path(folder) / "spool")
        tokens = tuple(gateway.make_key(env) for _ in range(keys))
        serve = gateway.command("serve", "--port", str(port + 1))
        started = processes.running("memory-gateway", serve, core=MEASURED_CORE, folder=FOLDER, env=env)
        program = stack.enter_context(started)
        processes.until_up(program, f"{root}/readyz")
        yield Rig(program=program, upstream=upstream, root=root, upstream_root=upstream_root, keys=tokens)


async def _failures(rig: Rig, count: int) -> bool:
    """Make failing calls one after another; return whether the memory stayed."""
    readings: list[int] = []
    seen: Counter[str] = Counter()
    async with aiohttp.ClientSession() as http:
        for number in range(max(count, 2 * len(FAULTS))):
            seen[await _fail(http, rig, number)] += 1
            if number == len(FAULTS) - 1 or (number >= len(FAULTS) and number % max(1, count // READINGS) == 0):
                readings.append(await _left(rig.program))
    growth = max(readings) - readings[0]
    print(f"{count:,} calls of {FAILED_BYTES / 1e6:.0f} MB fail one after another: {_outcomes(seen)}", flush=True)
    later = ", ".join(_mb(size) for size in readings[1:])
    print(f"  resident after the first of each kind {_mb(readings[0])}, then {later}")
    print(f"  growth {_mb(growth)}, at most {_mb(MAX_GROWTH_BYTES)} allowed")
    return growth <= MAX_GROWTH_BYTES and not seen["200"]


async def _left(program: Program) -> int:
    """Return what is resident after the call: the least of a few looks, since its end may still be at work."""
    looks = []
    for _ in range(LOOKS):
        looks.append(program.resident_bytes())
        await asyncio.sleep(LOOK_SECONDS)
    return min(looks)


async def _fail(http: aiohttp.ClientSession, rig: Rig, number: int) -> str:
    """Make one failing call; return its status and the gateway's error, or what became of the connection."""
    content = f"{number} " + "x" * FAILED_BYTES
    fault = FAULTS[number % len(FAULTS)]
    headers = {
        "authorization": f"Bearer {rig.keys[0]}",
        "x-simulate-fault": fault,
        "x-tidegate-deadline": QUEUE_SECONDS,
    }
    body = msgspec.json.encode(
        {"model": MODELS_OF.get(fault, MODEL), "messages": [{"role": "user", "content": content}]}
    )
    try:
        async with http.post(f"{rig.root}/v1/chat/completions", data=body, headers=headers) as answer:
            await answer.read()
            return f"{answer.status} {answer.headers.get('x-tidegate-error', '')}".rstrip()
    except aiohttp.ClientError as error:
        return type(error).__name__


async def _outage(rig: Rig, seconds: float) -> bool:
    """Let all callers go through an outage; return whether the memory stayed below its bound."""
    before = rig.program.resident_bytes()
    seen: Counter[str] = Counter()
    ends = time.monotonic() + seconds
    clients = [openai.AsyncOpenAI(base_url=f"{rig.root}/v1", api_key=key, max_retries=SDK_RETRIES) for key in rig.keys]
    calls = [asyncio.create_task(_call_until(clients[n % len(clients)], n, ends, seen)) for n in range(CALLERS)]
    peak = 0
    async with aiohttp.ClientSession() as http:
        for kind in ("503", "silent"):
            await _begin(http, rig, kind)
            half = time.monotonic() + seconds / 2
            while time.monotonic() < half:
                peak = max(peak, rig.program.resident_bytes())
                await asyncio.sleep(LOOK_SECONDS)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    rig.upstream.process.send_signal(signal.SIGCONT)
    for client in clients:
        await client.close()
    print(f"{CALLERS} callers send {OUTAGE_BYTES / 1e6:.0f} MB in an outage of {seconds:.0f} s: {_outcomes(seen)}")
    print(f"  resident before {_mb(before)}, at most {_mb(peak)}, at the end {_mb(rig.program.resident_bytes())}")
    print(f"  at most {_mb(MAX_OUTAGE_BYTES)} allowed")
    return peak < MAX_OUTAGE_BYTES


async def _begin(http: aiohttp.ClientSession, rig: Rig, kind: str) -> None:
    """Begin an outage in which the upstream answers 503, or nothing."""
    if kind == "silent":
        rig.upstream.process.send_signal(signal.SIGSTOP)
        return
    async with http.post(f"{rig.upstream_root}/simulator/faults", json={"overloaded": 1.0}) as answer:
        answer.raise_for_status()


async def _call_until(client: openai.AsyncOpenAI, number: int, ends: float, seen: Counter[str]) -> None:
    """Call again and again, as a program does that must have its answer."""
    content = f"{number} " + "x" * OUTAGE_BYTES
    while time.monotonic() < ends:
        try:
            await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}])
            seen["200"] += 1
        except openai.APIStatusError as error:
            seen[f"{error.status_code} {error.response.headers.get('x-tidegate-error', '')}"] += 1
        except openai.APIError as error:
            seen[type(error).__name__] += 1
        content = f"{time.monotonic_ns()} {content[-OUTAGE_BYTES:]}"


def _outcomes(seen: Counter[str]) -> str:
    return ", ".join(f"{count:,} {outcome}" for outcome, count in seen.most_common()) or "none ended"


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


if __name__ == "__main__":
    sys.exit(main())
