"""A spike and floods against an upstream that truly allows 600 requests a minute, over three replicas.

`python -m benchmarks.spike`; prints the figures, and beside them the same spike straight at the upstream with the
official SDK's own retries. Exits 1 where a call of the spike failed, the order within a class was not kept, or twenty
calls waited more than twice as long beside a flood as alone.
"""

import argparse
import asyncio
import contextlib
import itertools
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import openai
import uvloop

from benchmarks import gateway, processes
from benchmarks.contestants import FOLDER
from benchmarks.processes import OTHER_CORE, BenchmarkError, Program
from tidegate.storage import embedded

RPM = 600
SPIKE = 300
REPLICAS = 3
FLOOD, FEW = 1000, 20
IN_LINE = 150
MOST_LOOKS = 20
LINE_PAUSE = 0.05
"""Seconds between two calls of a line: so long that which came first is no question."""
LIGHT = 80
"""Calls of a project that has not called lately: they use up what is kept for such."""
MOST_OVERTAKEN = 0.05
"""Calls that are let go together, by different replicas, race on the way."""
MOST_TIMES = 2.0
DEADLINE = 400.0
MODEL = "gpt-4o-mini"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one call met."""

    number: int
    status: int
    seconds: float
    """From the spike's begin to the answer's end."""
    queued: float
    """Seconds of it that it waited for the upstream's capacity."""


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """The replicas and the upstream behind them."""

    upstream: str
    replicas: tuple[str, ...]
    env: dict[str, str]

    def key(self, project: str, priority: str = "normal") -> str:
        """A fresh key of a project."""
        asked = ["keys", "create", "--project", project, "--name", "spike", "--priority", priority, "--json"]
        made = gateway.run(asked, self.env)
        return str(msgspec.json.decode(made)["key"])


def main() -> int:
    """Run all, print all; 1 where a promise was not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    processes.add_deadline(parser, 3600)
    parser.add_argument("--port", type=int, default=4560, help="the first of four ports (default 4560)")
    parser.add_argument("--skip-sdk", action="store_true", help="leave out the spike straight at the upstream")
    options = parser.parse_args()
    try:
        with processes.ending_within(options.deadline), fleet(options.port) as all_of_it:
            return uvloop.run(_measure(all_of_it, with_sdk=not options.skip_sdk))
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1


@contextlib.contextmanager
def fleet(port: int) -> Iterator[Fleet]:
    """Stores, the enforcing simulator, and three gateways."""
    with contextlib.ExitStack() as stack:
        # stores of its own each time: a lane that remembers an earlier run takes the drained upstream for a full one
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-spike-")))
        stores = stack.enter_context(embedded.running(folder))
        upstream = f"http://127.0.0.1:{port}/v1"
        limits = ("--rpm", str(RPM), "--latency", "0.2", "--remember", "5000")
        simulate = gateway.command("simulate", "--port", str(port), *limits)
        _start(stack, "simulator", simulate, {}, f"{upstream}/models")
        env = gateway.environment(upstream, stores)
        gateway.run(["migrate"], env)
        replicas = []
        for number in range(1, REPLICAS + 1):
            command = gateway.command("serve", "--port", str(port + number))
            _start(stack, f"replica-{number}", command, env, f"http://127.0.0.1:{port + number}/livez")
            replicas.append(f"http://127.0.0.1:{port + number}/v1")
        yield Fleet(upstream=upstream, replicas=tuple(replicas), env=env)


def _start(stack: contextlib.ExitStack, name: str, command: list[str], env: dict[str, str], url: str) -> Program:
    program = stack.enter_context(processes.running(name, command, core=OTHER_CORE, folder=FOLDER, env=env))
    processes.until_up(program, url)
    return program


async def _measure(all_of_it: Fleet, *, with_sdk: bool) -> int:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        kept = [await _spike(all_of_it, http), await _order(all_of_it, http), await _fairness(all_of_it, http)]
        if with_sdk:
            await _straight(all_of_it, http)
    return int(not all(kept))


async def _spike(all_of_it: Fleet, http: aiohttp.ClientSession) -> bool:
    key = all_of_it.key("spike")
    await _drain(all_of_it, http)
    before = await _stats(all_of_it, http)
    seen = await _calls(all_of_it, http, key, SPIKE, "spike")
    after = await _stats(all_of_it, http)
    failed = [one for one in seen if one.status != 200]
    refused = int(after["refused"]) - int(before["refused"])
    theory = SPIKE * 60 / RPM
    took = max(one.seconds for one in seen)
    answered = SPIKE - len(failed)
    print(f"spike: {answered} of {SPIKE} answered in {took:.1f} s (theory {theory:.1f} s, {took / theory:.2f} x)")
    print(f"       the upstream refused {refused} ({refused / SPIKE:.1%})")
    return not failed


async def _order(all_of_it: Fleet, http: aiohttp.ClientSession) -> bool:
    """A line of calls over all replicas, by turns of two priorities; they should reach the upstream as they came."""
    keys = {priority: all_of_it.key("line", priority) for priority in ("normal", "low")}
    await _drain(all_of_it, http)
    line = []
    for number in range(IN_LINE):
        priority = list(keys)[number % len(keys)]
        name = f"line {priority}"
        line.append(asyncio.create_task(_call(all_of_it, http, keys[priority], number, name, begun=0.0)))
        await asyncio.sleep(LINE_PAUSE)
    await asyncio.gather(*line)
    came: dict[str, list[int]] = {f"line {priority}": [] for priority in keys}
    for request in (await _bill(all_of_it, http))["requests"]:
        name, _, place = (request["user"] or "").rpartition(" ")
        if name in came and request["status"] == 200:
            came[name].append(int(place))
    overtaken = sum(one > other for class_ in came.values() for one, other in itertools.pairwise(class_))
    print(f"order: {overtaken} of {IN_LINE} calls of two priorities overtook one of their class on the way upstream")
    return overtaken <= MOST_OVERTAKEN * IN_LINE


async def _fairness(all_of_it: Fleet, http: aiohttp.ClientSession) -> bool:
    first, *fills = _keys(all_of_it, "fill", 4)
    others, floods = _keys(all_of_it, "few", 2), _keys(all_of_it, "flood", 2)
    await _drain(all_of_it, http)
    await _calls(all_of_it, http, first, LIGHT, "fill")
    alone = _p95(await _calls(all_of_it, http, others[0], FEW, "alone"))
    print(f"fairness: p95 of {FEW} calls alone {alone:.2f} s")
    times = []
    for fill, (flooding, coming) in zip(fills, ((1, 1), (2, 1), (1, 2)), strict=True):
        await _calls(all_of_it, http, fill, LIGHT, "fill")
        each = FLOOD // flooding
        tasks = [asyncio.create_task(_calls(all_of_it, http, key, each, "flood")) for key in floods[:flooding]]
        await _until_waiting(all_of_it, FLOOD)
        seen = await asyncio.gather(*(_calls(all_of_it, http, key, FEW, "beside") for key in others[:coming]))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        worst, queued = max(map(_p95, seen)), max(one.queued for calls in seen for one in calls)
        print(
            f"  of {coming} project(s) beside {flooding} with {each} each: {worst:.2f} s ({worst / alone:.2f} x), "
            f"at most {queued:.2f} s of it in the queue"
        )
        times.append(worst / alone / coming)  # those who come together share the lane
    return max(times) <= MOST_TIMES


async def _until_waiting(all_of_it: Fleet, calls: int) -> None:
    """Until much of a flood is in line: how fast it comes in is not what is measured."""
    for _ in range(MOST_LOOKS):
        shown = await asyncio.to_thread(gateway.run, ["queue", "show", "--json"], all_of_it.env)
        if sum(lane["waiting"] for lane in msgspec.json.decode(shown)) >= calls / 3:
            return
    raise BenchmarkError("the flood did not come in")


def _keys(all_of_it: Fleet, name: str, count: int) -> list[str]:
    return [all_of_it.key(f"{name}{number}") for number in range(count)]


async def _straight(all_of_it: Fleet, http: aiohttp.ClientSession) -> None:
    await _drain(all_of_it, http)
    began = time.monotonic()
    async with openai.AsyncOpenAI(base_url=all_of_it.upstream, api_key="sk-any") as client:

        async def one(number: int) -> bool:
            try:
                message = {"role": "user", "content": f"straight {number}"}
                await client.chat.completions.create(model=MODEL, messages=[message])  # type: ignore[list-item]  # a plain one
            except openai.OpenAIError:
                return False
            return True

        done = await asyncio.gather(*(one(number) for number in range(SPIKE)))
    took = time.monotonic() - began
    print(
        f"the same straight at the upstream, by the SDK: {sum(done)} of {SPIKE} answered, the last after {took:.1f} s"
    )


async def _calls(all_of_it: Fleet, http: aiohttp.ClientSession, key: str, count: int, name: str) -> list[Seen]:
    begun = time.monotonic()
    calls = (_call(all_of_it, http, key, number, name, begun=begun) for number in range(count))
    return await asyncio.gather(*calls)


async def _call(
    all_of_it: Fleet, http: aiohttp.ClientSession, key: str, number: int, name: str, *, begun: float
) -> Seen:
    url = f"{all_of_it.replicas[number % REPLICAS]}/chat/completions"
    message = {"role": "user", "content": f"{name} {number} {begun}"}
    body = {"model": MODEL, "messages": [message], "user": f"{name} {number}"}
    headers = {"authorization": f"Bearer {key}", "x-tidegate-deadline": f"{DEADLINE:g}"}
    async with http.post(url, json=body, headers=headers) as answer:
        await answer.read()
        queued = float(answer.headers.get("x-tidegate-queue-ms", 0)) / 1000
        return Seen(number=number, status=answer.status, seconds=time.monotonic() - begun, queued=queued)


async def _drain(all_of_it: Fleet, http: aiohttp.ClientSession) -> None:
    """Use up what the upstream's bucket holds."""

    async def one() -> int:
        body = {"model": MODEL, "messages": [{"role": "user", "content": "drain"}]}
        headers = {"authorization": "Bearer any"}
        async with http.post(f"{all_of_it.upstream}/chat/completions", json=body, headers=headers) as answer:
            return answer.status

    while 429 not in await asyncio.gather(*(one() for _ in range(50))):
        pass


async def _stats(all_of_it: Fleet, http: aiohttp.ClientSession) -> dict[str, int]:
    stats = await _shown(all_of_it, http, "stats")
    return {"refused": _total(stats["refused"])}


async def _bill(all_of_it: Fleet, http: aiohttp.ClientSession) -> Any:
    return await _shown(all_of_it, http, "bill")


async def _shown(all_of_it: Fleet, http: aiohttp.ClientSession, what: str) -> Any:
    async with http.get(f"{all_of_it.upstream}/simulator/{what}") as answer:
        return msgspec.json.decode(await answer.read())


def _total(counted: object) -> int:
    return sum(_total(part) for part in counted.values()) if isinstance(counted, dict) else int(str(counted))


def _p95(seen: list[Seen]) -> float:
    ordered = sorted(one.seconds for one in seen)
    return ordered[math.ceil(0.95 * len(ordered)) - 1]


if __name__ == "__main__":
    sys.exit(main())
