"""A hostile project: each way in which it calls one gateway, so that the calls of another project may suffer.

`python -m benchmarks.hostile --way NAME --root URL --key KEY --rate 50 --seconds 60`, in a process of its own, so that
its work is not measured as the gateway's. Prints what its calls met.
"""

import argparse
import asyncio
import contextlib
import itertools
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
import uvloop
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

MODEL = "gpt-4o-mini"
MOST_OPEN = 4000
"""Calls of one way that are open at once, at most."""
PATIENCE_SECONDS = 120.0
CONNECTIONS = 3000
LARGE = 30 * 1024 * 1024

Json = dict[str, Any]


class Attack:
    """Makes the calls of one way until its time is over, and counts what they met."""

    def __init__(self, http: aiohttp.ClientSession, root: str, key: str, rate: float, seconds: float) -> None:
        """`rate` is that of the ways whose harm lies in the number of calls."""
        self.http = http
        self.root = root
        self.key = key
        self.rate = rate
        self.until = time.monotonic() + seconds
        self.met: Counter[str] = Counter()
        self.run = f"{time.time_ns():x}"
        """It makes the texts of this run new to the cache."""

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self.until

    async def call(
        self, body: Json | bytes, path: str = "/v1/chat/completions", *, key: str = "", **headers: str
    ) -> bytes:
        """Make one call and read its answer; headers are keywords with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named |= {"authorization": f"Bearer {key or self.key}", "content-type": "application/json"}
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        async with self.http.post(self.root + path, data=data, headers=named) as answer:
            content = await answer.read()
            self.met[str(answer.status)] += 1
            return content

    async def flood(self, one: Callable[[int], Awaitable[object]]) -> None:
        """Begin `rate` of these a second, whether or not those before have ended."""
        begun, open_now = time.monotonic(), set[asyncio.Task[None]]()
        for number in itertools.count():
            await asyncio.sleep(max(0.0, begun + number / self.rate - time.monotonic()))
            if self.is_over:
                break
            if len(open_now) < MOST_OPEN:
                task = asyncio.create_task(self._noted(one(number)))
                open_now.add(task)
                task.add_done_callback(open_now.discard)
        await self._end(open_now)

    async def crowd(self, count: int, one: Callable[[int], Awaitable[object]]) -> None:
        """Let `count` do this side by side, again and again."""
        numbers = itertools.count()

        async def again() -> None:
            while not self.is_over:
                await self._noted(one(next(numbers)))

        crowd = {asyncio.create_task(again()) for _ in range(count)}
        await asyncio.sleep(self.until - time.monotonic())
        await self._end(crowd)

    async def connect(self) -> asyncio.StreamWriter:
        """Open a bare connection, of which nothing is read, with a small buffer."""
        address = urlsplit(self.root)
        bare = socket.socket()
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        bare.setblocking(False)  # noqa: FBT003  # the socket's own signature
        await asyncio.get_running_loop().sock_connect(bare, (address.hostname, address.port))
        return (await asyncio.open_connection(sock=bare))[1]

    def head(self, length: int, *lines: str) -> bytes:
        """Return the head of a chat call with a body of this length."""
        head = ["POST /v1/chat/completions HTTP/1.1", "host: gateway", f"authorization: Bearer {self.key}"]
        head += ["content-type: application/json", f"content-length: {length}", *lines, "", ""]
        return "\r\n".join(head).encode()

    async def _noted(self, one: Awaitable[object]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await one
        except (OSError, aiohttp.ClientError, WebSocketException, asyncio.IncompleteReadError) as error:
            self.met[type(error).__name__] += 1
            await asyncio.sleep(0.05)

    async def _end(self, tasks: set[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def ask(text: str, **fields: Any) -> Json:
    """Return a chat call."""
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **fields}


async def distinct_questions(attack: Attack) -> None:
    """Questions that were never asked, whose long answers fill the store."""
    await attack.flood(lambda number: attack.call(ask(f"{attack.run} {number}"), x_simulate_tokens="2000"))


async def the_same_question(attack: Attack) -> None:
    """One question again and again, and a slow answer that all of them share."""
    await attack.flood(lambda number: attack.call(ask(f"{attack.run} {number // 200}"), x_simulate_ttft="1"))


async def large_bodies(attack: Attack) -> None:
    """Bodies of 30 MB, eight at once."""
    body = msgspec.json.encode(ask("x" * LARGE))
    await attack.crowd(8, lambda _: attack.call(body))


async def deep_bodies(attack: Attack) -> None:
    """Bodies of 2 MB that decode to many small values."""
    body = b'{"model":"gpt-4o-mini","messages":[' + b"[]," * 700_000 + b"[]]}"
    await attack.crowd(4, lambda _: attack.call(body))


async def slow_bodies(attack: Attack) -> None:
    """Bodies that arrive one byte a second."""

    async def one(_: int) -> None:
        writer = await attack.connect()
        try:
            writer.write(attack.head(100_000))
            while not attack.is_over:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(1)
        finally:
            writer.close()

    await attack.crowd(500, one)


async def refused_prompts(attack: Attack) -> None:
    """Prompts that the upstream refuses inside a 200."""
    codes = ("invalid_prompt", "bio_policy", "image_content_policy_violation", "never_seen_before")
    await attack.flood(
        lambda number: attack.call(
            ask(f"{attack.run} {number}", stream=number % 2 == 0),
            x_simulate_fault="refused_in_answer",
            x_simulate_error_code=codes[number % len(codes)],
        )
    )


def refused_by(fault: str) -> Callable[[Attack], Awaitable[None]]:
    """Return a way whose calls all meet this fault of the upstream."""

    async def way(attack: Attack) -> None:
        await attack.flood(lambda number: attack.call(ask(f"{attack.run} {number}"), x_simulate_fault=fault))

    way.__doc__ = f"Calls that all meet the upstream's fault `{fault}`."
    return way


async def names_that_meet(attack: Attack) -> None:
    """Models and end users that are named like keys in Redis."""
    names = (f"{MODEL}:flows", f"{MODEL}:", f"{{tidegate}}:lane:{MODEL}", "a/b", "*", "\x00", "x" * 256, f"{MODEL}\n")
    await attack.flood(
        lambda number: attack.call(
            {**ask(f"{attack.run} {number}", user=names[number % 7]), "model": names[number // 7 % len(names)]}
        )
    )


async def many_names(attack: Attack) -> None:
    """A new end user and a new model with each call."""
    await attack.flood(
        lambda number: attack.call({**ask("Hi", user=f"{attack.run} {number}"), "model": f"m-{attack.run}-{number}"})
    )


async def many_connections(attack: Attack) -> None:
    """Thousands of connections that say nothing, or half a head."""

    async def one(number: int) -> None:
        writer = await attack.connect()
        try:
            writer.write(attack.head(10)[:40] if number % 2 else b"")
            await asyncio.sleep(20)
        finally:
            writer.close()

    await attack.crowd(CONNECTIONS, one)


async def new_connections(attack: Attack) -> None:
    """A new connection for each call, which is reset at once."""

    async def one(_: int) -> None:
        writer = await attack.connect()
        writer.write(attack.head(10_000))
        writer.transport.abort()

    await attack.flood(one)


async def unread_streams(attack: Attack) -> None:
    """Long streams whose reader reads nothing."""

    async def one(number: int) -> None:
        writer = await attack.connect()
        try:
            body = msgspec.json.encode(ask(f"{attack.run} {number}", stream=True))
            writer.write(attack.head(len(body), "x-simulate-tokens: 5000", "x-simulate-tps: 100") + body)
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport of a socket has it
            await asyncio.sleep(20)
        finally:
            writer.transport.abort()

    await attack.crowd(20, one)


async def cancelled_calls(attack: Attack) -> None:
    """Calls whose client hangs up at once, or after the first bytes."""

    async def one(number: int) -> None:
        writer = await attack.connect()
        body = msgspec.json.encode(ask(f"{attack.run} {number}", stream=number % 2 == 0))
        writer.write(attack.head(len(body)) + body)
        await writer.drain()
        await asyncio.sleep(random.uniform(0, 0.25))
        writer.transport.abort()

    await attack.flood(one)


async def wrong_keys(attack: Attack) -> None:
    """Keys that do not exist, each another one."""
    await attack.flood(lambda number: attack.call(ask("Hi"), key=f"sk-tg-{attack.run}{number:024x}"))


async def huge_answers(attack: Attack) -> None:
    """Answers of 20,000 words, whole and as streams, two at once: more would be too much for the simulator."""
    await attack.crowd(
        2, lambda number: attack.call(ask(f"{attack.run} {number}", stream=number % 2 == 0), x_simulate_tokens="20000")
    )


async def websockets(attack: Attack) -> None:
    """WebSockets that are opened beyond their limit, filled with requests and left."""
    url = attack.root.replace("http", "ws", 1) + "/v1/responses"
    headers = {"authorization": f"Bearer {attack.key}"}

    async def one(number: int) -> None:
        async with connect(url, additional_headers=headers, compression=None, max_size=None) as connection:
            for turn in range(20):
                create = {"type": "response.create", "model": MODEL, "input": f"{attack.run} {number} {turn}"}
                await connection.send(msgspec.json.encode({**create, "stream_id": f"s{turn}"}).decode())
            for _ in range(10):
                await connection.recv()
            attack.met["socket"] += 1

    await attack.crowd(max(1, int(attack.rate / 40)), one)


async def background_responses(attack: Attack) -> None:
    """Background responses that nobody reads."""
    await attack.flood(
        lambda number: attack.call(
            {"model": MODEL, "input": f"{attack.run} {number}", "background": True, "store": True}, "/v1/responses"
        )
    )


async def stored_chains(attack: Attack) -> None:
    """Stored responses, each of which continues the one before."""
    previous: list[str | None] = [None]

    async def one(number: int) -> None:
        body = {"model": MODEL, "input": f"{attack.run} {number} " + "x" * 5000, "store": True}
        answer = msgspec.json.decode(await attack.call({**body, "previous_response_id": previous[0]}, "/v1/responses"))
        previous[0] = answer.get("id") if number % 50 else None

    await attack.flood(one)


async def no_json(attack: Attack) -> None:
    """Random bytes as bodies and as heads."""

    async def one(number: int) -> None:
        if number % 2:
            await attack.call(random.randbytes(2000))
            return
        writer = await attack.connect()
        writer.write(random.randbytes(2000))
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    await attack.flood(one)


WAYS: dict[str, Callable[[Attack], Awaitable[None]]] = {
    "distinct questions": distinct_questions,
    "the same question": the_same_question,
    "30 MB bodies": large_bodies,
    "many small values": deep_bodies,
    "slow bodies": slow_bodies,
    "refused prompts": refused_prompts,
    "429 without a wait": refused_by("rate_limited_bare"),
    "429 with a long wait": refused_by("rate_limited_day"),
    "429 for its own size": refused_by("request_too_large"),
    "silent upstream": refused_by("timeout"),
    "stalled answers": refused_by("stall"),
    "names that meet": names_that_meet,
    "many names": many_names,
    "thousands of connections": many_connections,
    "reset connections": new_connections,
    "unread streams": unread_streams,
    "cancelled calls": cancelled_calls,
    "wrong keys": wrong_keys,
    "huge answers": huge_answers,
    "WebSockets": websockets,
    "background responses": background_responses,
    "stored chains": stored_chains,
    "no JSON": no_json,
}


def main() -> int:
    """Attack in one way; print what the calls met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", choices=list(WAYS), required=True)
    parser.add_argument("--root", required=True, help="the gateway's address, without /v1")
    parser.add_argument("--key", required=True)
    parser.add_argument("--rate", type=float, default=50.0, help="calls a second, where the way has a rate")
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    print(uvloop.run(_attack(options)))
    return 0


async def _attack(options: argparse.Namespace) -> str:
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        attack = Attack(http, options.root, options.key, options.rate, options.seconds)
        await WAYS[options.way](attack)
    return ", ".join(f"{count} x {what}" for what, count in attack.met.most_common(4)) or "nothing"


if __name__ == "__main__":
    sys.exit(main())
