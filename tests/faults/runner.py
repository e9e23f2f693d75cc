"""Plays all cases at once against a few gateways, and records what was observed."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import aiohttp
import msgspec
import structlog

from tests.faults import speech
from tests.faults.cases import Case, FallbackSetup, StoreState
from tests.faults.configuration import FRESH_SECONDS, sections
from tests.faults.endings import ended
from tests.faults.faults import IDLE, LATE, NOT_ACCEPTED, TOO_LONG, UNREACHED, UpstreamEndpoint
from tests.faults.proxy import FaultProxy, Mode, proxy_before
from tests.faults.rules import Verdict, unseen
from tests.faults.scripts import good, whole
from tests.faults.upstream import ReceivedRequest, Script, ScriptedUpstream, running_upstream
from tests.harness import Answer, Gateway, Json, World
from tests.providers.servers import full_backlog

AT_ONCE = 16
QUICK_AT_ONCE = 4
"""At once, of cases whose cost depends on how soon a connection breaks. They are played alone."""
SILENT_AT_ONCE = 150
"""At once, of cases that only wait for a timeout."""
PATIENCE_SECONDS = 60.0
"""No call may take longer: three times the longest timeout below, for a busy machine."""
NOWHERE = f"http://{'.'.join(['nowhere' * 8] * 5)}.invalid/v1"
"""A name longer than names may be (RFC 1035, 2.3.4), so that no slow server is asked for it."""


class ClientView(msgspec.Struct, frozen=True, kw_only=True):
    """The client's view of a call."""

    answer: Answer | None
    """None for a call that did not end in time or broke."""
    failure: str = ""


class Matrix:
    """Plays the cases: a gateway for each state of the stores, a provider and a route for each case."""

    def __init__(self, world: World, cases: Iterable[Case]) -> None:
        self._world = world
        self._cases = {case.id: case for case in cases}
        self._gateways: dict[tuple[StoreState, bool], Gateway] = {}
        self._proxies: list[tuple[FaultProxy, FaultProxy]] = []
        self._striking = False
        """Whether the faults strike yet."""
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._silent_at_once = asyncio.Semaphore(SILENT_AT_ONCE)
        self._quick_at_once = asyncio.Semaphore(QUICK_AT_ONCE)

    async def play(self) -> dict[str, Verdict]:
        """Return the observed verdict of each case, by its id."""
        async with contextlib.AsyncExitStack() as stack:
            logs = stack.enter_context(structlog.testing.capture_logs())
            upstream = await stack.enter_async_context(running_upstream(self._script))
            await self._start(stack, upstream.root)
            await self._ask_all(case for case in self._cases.values() if case.fallback is FallbackSetup.STALE)
            asked_before = upstream.calls.total()
            if asked_before:
                await asyncio.sleep(FRESH_SECONDS + 0.1)  # answers age by Redis's own clock
            upstream.reset()
            self._striking = True
            for (own, _), (redis, database) in zip(self._gateways, self._proxies, strict=True):
                await redis.set(Mode.REFUSE if own is StoreState.REDIS_DOWN else Mode.PASS)
                await database.set(Mode.REFUSE if own is StoreState.POSTGRES_DOWN else Mode.PASS)
            seen = await self._ask_all(filter(_breaks_at_once, self._cases.values()))
            seen |= await self._ask_all(itertools.filterfalse(_breaks_at_once, self._cases.values()))
            for proxy in itertools.chain.from_iterable(self._proxies):
                await proxy.set(Mode.PASS)
            lines = await self._lines(len(self._cases) + asked_before)
        logged = _logged(logs)
        return {name: _verdict(case, seen[name], upstream, lines, logged) for name, case in self._cases.items()}

    def _script(self, request: ReceivedRequest) -> Script:
        case = self._cases.get(request.model)
        if case is None:
            return whole(request, 200, b'{"object":"list","data":[]}')
        struck = self._striking and (request.provider, request.credential) == ("first", "sk-first")
        if case.fallback is FallbackSetup.RETRY and request.number > 1:
            struck = False
        return case.fault.script(request) if struck else good(request)

    async def _start(self, stack: contextlib.AsyncExitStack, root: str) -> None:
        addresses = {
            UpstreamEndpoint.SERVER: f"{root}/first/v1",
            UpstreamEndpoint.CLOSED_PORT: "http://127.0.0.1:9/v1",
            UpstreamEndpoint.FULL_BACKLOG: stack.enter_context(full_backlog()) + "/v1",
            UpstreamEndpoint.UNKNOWN_HOST: NOWHERE,
        }
        for own in StoreState:
            for again in (False, True):
                mine = {
                    number: case
                    for number, case in enumerate(self._cases.values())  # replicas share the state of targets by name
                    if (case.stores, case.fallback is FallbackSetup.RETRY) == (own, again)
                }
                configured = sections(mine, addresses, second=f"{root}/second/v1", again=again)
                self._gateways[own, again] = await stack.enter_async_context(self._gateway(configured))

    @contextlib.asynccontextmanager
    async def _gateway(self, configured: dict[str, Any]) -> AsyncIterator[Gateway]:
        stores = self._world.stores
        async with (
            proxy_before(stores.redis_url) as (redis, redis_url),
            proxy_before(stores.database_url) as (database, url),
        ):
            self._proxies.append((redis, database))
            async with self._world.gateway(redis_url=redis_url, database_url=url, **configured) as gateway:
                await gateway.call("/responses/none")  # the key is cached from here on; no provider is asked
                yield gateway

    async def _ask_all(self, cases: Iterable[Case]) -> dict[str, ClientView]:
        async def one(case: Case) -> ClientView:
            async with self._semaphore(case):
                return await self._ask(case)

        asked = list(cases)
        seen = await asyncio.gather(*(one(case) for case in asked))
        return {case.id: what for case, what in zip(asked, seen, strict=True)}

    def _semaphore(self, case: Case) -> asyncio.Semaphore:
        if _breaks_at_once(case):
            return self._quick_at_once
        return self._silent_at_once if _only_waits(case) else self._at_once

    async def _ask(self, case: Case) -> ClientView:
        gateway = self._gateways[case.stores, case.fallback is FallbackSetup.RETRY]
        wishes = {"x_tidegate_deadline": "30"} | (
            {"x_tidegate_fallback": "off"} if case.fallback is FallbackSetup.OFF else {}
        )
        body = speech.request(case.route, case.id, stream=case.stream)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await gateway.call(speech.PATHS[case.route], body, **wishes)
        except TimeoutError:
            return ClientView(answer=None, failure="it hung")
        except (aiohttp.ClientError, UnicodeDecodeError) as error:
            return ClientView(answer=None, failure=type(error).__name__)
        return ClientView(answer=answer)

    async def _lines(self, many: int) -> dict[str, list[Json]]:
        """Return the ledger entries by model, once all have arrived. A case without one fails by itself."""
        with contextlib.suppress(AssertionError):
            await self._world.ledger_entries(many)
        lines: dict[str, list[Json]] = {}
        for line in await self._world.all_entries():
            lines.setdefault(line["model"], []).append(line)
        return lines


def _breaks_at_once(case: Case) -> bool:
    return case.fault.error is UNREACHED and case.fault.endpoint is UpstreamEndpoint.SERVER


def _only_waits(case: Case) -> bool:
    return case.fault.error in (LATE, IDLE, NOT_ACCEPTED, TOO_LONG)


def _logged(logs: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Return the names of the failures in the log, by model."""
    names: dict[str, tuple[str, ...]] = {}
    for line in logs:
        if line["event"] == "upstream call failed":
            names[line["model"]] = (*names.get(line["model"], ()), line["error"])
    return names


def _verdict(
    case: Case,
    client_view: ClientView,
    upstream: ScriptedUpstream,
    lines: Mapping[str, list[Json]],
    logged: Mapping[str, tuple[str, ...]],
) -> Verdict:
    mine = lines.get(case.id, [])[1 if case.fallback is FallbackSetup.STALE else 0 :]  # one made the stale answer
    status, end, code, error = _ended(case, client_view)
    headers = client_view.answer.headers if client_view.answer else {}
    return Verdict(
        status=status,
        end=end,
        code=code,
        error=error or (mine[0]["outcome"] if mine and end == "error event" else ""),
        served_by=headers.get("x-tidegate-served-by", "nobody").partition("/")[0].partition("-")[0],
        fallback_step=mine[0]["fallback_step"] if mine and mine[0]["outcome"] == "ok" else "",
        cache=headers.get("x-tidegate-cache", ""),
        calls=upstream.calls[case.id],
        bill=sum(line["cost_nanos"] for line in mine) - sum(_for_lateness(case, line) for line in mine),
        lines=tuple(line["outcome"] for line in mine),
        logged=logged.get(case.id, ()),
    )


def _for_lateness(case: Case, line: Json) -> int:
    """Return the cost of a busy machine: a connection that breaks after a second may have done work."""
    late = _breaks_at_once(case) and line["estimated"] and line["latency_ms"] >= 1000
    return unseen(case.route) if late else 0


def _ended(case: Case, client_view: ClientView) -> tuple[int, str, str | None, str]:
    """Return the status, end, code and name."""
    answer = client_view.answer
    if answer is None:
        return 0, client_view.failure, None, ""
    end, code = ended(case.route, answer)
    return answer.status, end, code, answer.headers.get("x-tidegate-error", "") if end == "error" else ""
