"""Plays all cases at once against a few gateways, and says what was seen of each."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

import aiohttp
import msgspec
import structlog

from tests.faults import speech
from tests.faults.cases import Case, Own
from tests.faults.faults import Where
from tests.faults.proxy import FaultProxy, Mode, before
from tests.faults.rules import Verdict
from tests.faults.scripts import whole
from tests.faults.upstream import Asked, Script, ScriptedUpstream, playing
from tests.harness import Answer, Gateway, Json, World, data_of
from tests.upstream.servers import full_backlog
from tidegate.core.values import Route

AT_ONCE = 40
PATIENCE_SECONDS = 20.0
"""No call may take longer, whatever happens: twice the longest clock below."""
CLOCKS = {"connect_seconds": 1.0, "first_byte_seconds": 3.0, "idle_seconds": 3.0, "total_seconds": 8.0}
MOST_BYTES = 512 * 1024
NOWHERE = "http://tidegate.invalid/v1"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the client saw."""

    answer: Answer | None
    """None for a call that did not end in time, or broke."""
    broke: str = ""


class Matrix:
    """The gateways the cases are played on: one for each state of our own parts and each kind of address."""

    def __init__(self, world: World, cases: Iterable[Case]) -> None:
        self._world = world
        self._cases = {case.id: case for case in cases}
        self._gateways: dict[tuple[Own, Where], Gateway] = {}
        self._proxies: list[FaultProxy] = []
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def play(self) -> dict[str, Verdict]:
        """What was seen of each case, by its id."""
        async with contextlib.AsyncExitStack() as stack:
            logs = stack.enter_context(structlog.testing.capture_logs())
            upstream = await stack.enter_async_context(playing(self._script))
            await self._start(stack, upstream.root)
            seen = await self._ask_all()
            for proxy in self._proxies:
                await proxy.set(Mode.PASS)
            lines = await self._lines()
        logged = _logged(logs)
        return {name: _verdict(case, seen[name], upstream, lines, logged) for name, case in self._cases.items()}

    def _script(self, asked: Asked) -> Script:
        case = self._cases.get(asked.model)
        return whole(asked, 200, b'{"object":"list","data":[]}') if case is None else case.fault.play(asked)

    async def _start(self, stack: contextlib.AsyncExitStack, root: str) -> None:
        addresses = {
            Where.SERVER: f"{root}/first/v1",
            Where.NOBODY: "http://127.0.0.1:9/v1",
            Where.FULL: stack.enter_context(full_backlog()) + "/v1",
            Where.NOWHERE: NOWHERE,
        }
        for own in Own:
            for where, address in addresses.items():
                self._gateways[own, where] = await stack.enter_async_context(self._gateway(own, address))

    @contextlib.asynccontextmanager
    async def _gateway(self, own: Own, address: str) -> AsyncIterator[Gateway]:
        stores = self._world.stores
        async with before(stores.redis_url) as (redis, redis_url), before(stores.database_url) as (database, url):
            self._proxies += [redis, database]
            async with self._world.gateway(
                redis_url=redis_url,
                database_url=url,
                upstream={"base_url": address, "max_answer_bytes": MOST_BYTES, **CLOCKS},
            ) as gateway:
                assert (await gateway.call("/no/such/route")).status == 404
                await gateway.call("/models")  # the key is known from here on
                if own is Own.REDIS_DOWN:
                    await redis.set(Mode.REFUSE)
                if own is Own.POSTGRES_DOWN:
                    await database.set(Mode.REFUSE)
                yield gateway

    async def _ask_all(self) -> dict[str, Seen]:
        async def one(case: Case) -> Seen:
            async with self._at_once:
                return await self._ask(case)

        names = list(self._cases)
        return dict(zip(names, await asyncio.gather(*(one(self._cases[name]) for name in names)), strict=True))

    async def _ask(self, case: Case) -> Seen:
        gateway = self._gateways[case.own, case.fault.where]
        body = speech.request(case.route, case.id, stream=case.stream)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await gateway.call(speech.PATHS[case.route], body, x_tidegate_deadline="0")
        except TimeoutError:
            return Seen(answer=None, broke="it hung")
        except (aiohttp.ClientError, UnicodeDecodeError) as error:
            return Seen(answer=None, broke=type(error).__name__)
        return Seen(answer=answer)

    async def _lines(self) -> dict[str, list[Json]]:
        """The ledger's lines by model, once none is on its way."""
        lines: dict[str, list[Json]] = {}
        for line in await self._world.ledger(len(self._cases)):
            lines.setdefault(line["model"], []).append(line)
        return lines


def _logged(logs: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """The names of the failures in the log, by model."""
    names: dict[str, tuple[str, ...]] = {}
    for line in logs:
        if line["event"] == "upstream call failed":
            names[line["model"]] = (*names.get(line["model"], ()), line["error"])
    return names


def _verdict(
    case: Case,
    seen: Seen,
    upstream: ScriptedUpstream,
    lines: Mapping[str, list[Json]],
    logged: Mapping[str, tuple[str, ...]],
) -> Verdict:
    mine = lines.get(case.id, [])
    status, end, code, error = _ended(case, seen)
    headers = seen.answer.headers if seen.answer else {}
    return Verdict(
        status=status,
        end=end,
        code=code,
        error=error or (mine[0]["outcome"] if mine and end == "error event" else ""),
        served_by=headers.get("x-tidegate-served-by", "nobody").partition("/")[0],
        cache=headers.get("x-tidegate-cache", ""),
        calls=upstream.calls[case.id],
        bill=sum(line["cost_nanos"] for line in mine),
        lines=tuple(line["outcome"] for line in mine),
        logged=logged.get(case.id, ()),
    )


def _ended(case: Case, seen: Seen) -> tuple[int, str, str | None, str]:
    """Status, end, code and name."""
    answer = seen.answer
    if answer is None:
        return 0, seen.broke, None, ""
    if not answer.headers.get("content-type", "").startswith("text/event-stream"):
        if answer.status == 200:
            return 200, "whole" if _is_whole(case.route, answer.json) else "incomplete", None, ""
        return answer.status, "error", answer.error["code"], answer.headers.get("x-tidegate-error", "")
    events = data_of(answer.text)
    if events and "error" in events[-1] and isinstance(events[-1]["error"], dict):
        return answer.status, "error event", events[-1]["error"].get("code"), ""
    return answer.status, "stream" if _ENDS[case.route](answer.text, events) else "incomplete", None, ""


def _is_whole(route: Route, document: Json) -> bool:
    if route is Route.EMBEDDINGS:
        return len(document["data"]) == 1
    if route is Route.CHAT:
        return bool(document["choices"][0]["message"]["content"] == "".join(speech.WORDS))
    return bool(document["output"][0]["content"][0]["text"] == "".join(speech.WORDS))


def _chat_is_complete(text: str, events: list[Json]) -> bool:
    said = "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
    return said == "".join(speech.WORDS) and text.endswith("data: [DONE]\n\n")


def _response_is_complete(_: str, events: list[Json]) -> bool:
    said = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    return said == "".join(speech.WORDS) and bool(events[-1]["type"] == "response.completed")


_ENDS: dict[Route, Callable[[str, list[Json]], bool]] = {
    Route.CHAT: _chat_is_complete,
    Route.RESPONSES: _response_is_complete,
}
