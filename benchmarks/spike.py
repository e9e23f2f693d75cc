"""A spike and a flood against an upstream that truly allows 600 requests a minute, over three replicas.

`python -m benchmarks.spike`; prints the figures, and beside them the same spike straight at the upstream with the
official SDK's own retries.
"""

import argparse
import asyncio
import contextlib
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import msgspec
import openai
import uvloop

from benchmarks import gateway, processes
from benchmarks.contestants import FOLDER
from benchmarks.processes import OTHER_CORE, BenchmarkError, Program
from tidegate import embedded

RPM = 600
SPIKE = 300
REPLICAS = 3
FLOOD, FEW = 1000, 20
MODEL = "gpt-4o-mini"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one call met."""

    number: int
    status: int
    seconds: float
    """From the spike's begin to the answer's end."""


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """The replicas and the upstream behind them."""

    upstream: str
    replicas: tuple[str, ...]
    env: dict[str, str]

    def key(self, project: str) -> str:
        """A fresh key of a project."""
        made = gateway.run(["keys", "create", "--project", project, "--name", "spike", "--json"], self.env)
        return str(msgspec.json.decode(made)["key"])


def main() -> int:
    """Run all, print all; 1 where a call of the spike failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=4560, help="the first of four ports (default 4560)")
    parser.add_argument("--skip-sdk", action="store_true", help="leave out the spike straight at the upstream")
    options = parser.parse_args()
    try:
        with fleet(options.port) as all_of_it:
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
        simulate = gateway.command("simulate", "--port", str(port), "--rpm", str(RPM), "--latency", "0.2")
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
        failed = await _spike(all_of_it, http)
        await _fairness(all_of_it, http)
        if with_sdk:
            await _straight(all_of_it, http)
    return int(failed > 0)


async def _spike(all_of_it: Fleet, http: aiohttp.ClientSession) -> int:
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
    return len(failed)


async def _fairness(all_of_it: Fleet, http: aiohttp.ClientSession) -> None:
    fill, flood, few = all_of_it.key("fill"), all_of_it.key("flood"), all_of_it.key("few")
    await _calls(all_of_it, http, fill, RPM + 10, "fill")
    alone = _p95(await _calls(all_of_it, http, few, FEW, "alone"))
    await _calls(all_of_it, http, fill, 20, "fill again")
    flooding = asyncio.create_task(_calls(all_of_it, http, flood, FLOOD, "flood", deadline=20))
    await asyncio.sleep(0.5)
    beside = _p95(await _calls(all_of_it, http, few, FEW, "beside"))
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)
    print(f"fairness: p95 of {FEW} calls alone {alone:.2f} s, beside {FLOOD} {beside:.2f} s ({beside / alone:.2f} x)")


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


async def _calls(
    all_of_it: Fleet, http: aiohttp.ClientSession, key: str, count: int, name: str, *, deadline: float = 120.0
) -> list[Seen]:
    began = time.monotonic()

    async def one(number: int) -> Seen:
        url = f"{all_of_it.replicas[number % REPLICAS]}/chat/completions"
        body = {"model": MODEL, "messages": [{"role": "user", "content": f"{name} {number} {began}"}]}
        headers = {"authorization": f"Bearer {key}", "x-tidegate-deadline": f"{deadline:g}"}
        async with http.post(url, json=body, headers=headers) as answer:
            await answer.read()
            return Seen(number=number, status=answer.status, seconds=time.monotonic() - began)

    return await asyncio.gather(*(one(number) for number in range(count)))


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
    async with http.get(f"{all_of_it.upstream}/simulator/stats") as answer:
        stats = msgspec.json.decode(await answer.read())
    return {"refused": _total(stats["refused"])}


def _total(counted: object) -> int:
    return sum(_total(part) for part in counted.values()) if isinstance(counted, dict) else int(str(counted))


def _p95(seen: list[Seen]) -> float:
    ordered = sorted(one.seconds for one in seen)
    return ordered[math.ceil(0.95 * len(ordered)) - 1]


if __name__ == "__main__":
    sys.exit(main())
