"""Plays the cases: a process for each way to end and each state of the stores, and all moments in it at once."""

import asyncio
import itertools
import signal
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import msgspec

from tests.eventually import wait_until
from tests.faults import scripts, speech
from tests.faults.cases import StoreState
from tests.faults.endings import ended
from tests.faults.processes.cases import COMES_LATER, HAS_BEGUN, CallMoment, Ending, ProcessCase
from tests.faults.processes.client import RawCall
from tests.faults.proxy import FaultProxy, Mode, proxy_before
from tests.faults.upstream import ReceivedRequest, Script, ScriptedUpstream, running_upstream
from tests.harness import Answer, GatewayProcess, Json, World

DRAIN_SECONDS = 3.0
"""Seconds in which calls are still accepted: enough for all cases, on a busy machine."""
GRACE_SECONDS = {Ending.OUT_OF_GRACE: 6}
LONG_GRACE_SECONDS = 60


class ProcessVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller and the ledger see of a call."""

    status: int
    end: str
    """`whole`, `stream` (complete), `error` (an envelope), `error event`, or what happened to the connection."""
    code: str | None
    retry: str
    """`x-should-retry`, which the SDKs obey; empty for none."""
    closes: bool
    """Whether the answer told the client to close the connection."""
    entries: tuple[tuple[str, int], ...]
    """The outcome and cost in nano-dollars of each of its ledger entries."""


class _Played(msgspec.Struct, frozen=True):
    case: ProcessCase
    answer: Answer | str


async def play(world: World, cases: Iterable[ProcessCase]) -> dict[str, ProcessVerdict]:
    """Return the verdict on each case, by its id."""
    played: list[_Played] = []
    for (ending, stores), group in itertools.groupby(cases, key=lambda case: (case.ending, case.stores)):
        played += await _Life(world, ending, stores, list(group)).play()
    async with world.gateway():  # a successor, which finds what the processes left behind
        lines: dict[str, list[Json]] = {}
        for line in await world.all_entries():
            lines.setdefault(line["model"], []).append(line)
    return {one.case.id: _verdict(one, lines) for one in played}


class _Life:
    """One process: it starts, is told to end, and ends."""

    def __init__(self, world: World, ending: Ending, stores: StoreState, cases: list[ProcessCase]) -> None:
        self._world = world
        self._ending = ending
        self._stores = stores
        self._cases = {case.id: case for case in cases}
        self._released = asyncio.Event()
        self._calls: dict[str, RawCall] = {}
        self._leaders: list[RawCall] = []

    async def play(self) -> list[_Played]:
        """Return what the callers saw."""
        stores = self._world.stores
        async with (
            running_upstream(self._script) as upstream,
            proxy_before(stores.redis_url) as (redis, redis_url),
            proxy_before(stores.database_url) as (database, database_url),
            self._world.process(
                redis_url=redis_url, database_url=database_url, upstream={"base_url": f"{upstream.root}/first/v1"},
                server={
                    "grace_seconds": GRACE_SECONDS.get(self._ending, LONG_GRACE_SECONDS),
                    "drain_seconds": DRAIN_SECONDS,
                },
                metering={"unknown_model_price": {"input": 10, "output": 40}},  # a model has the name of its case
            ) as gateway,
        ):  # fmt: skip
            await gateway.call("/models")  # the key is cached from here on
            await self._break(redis, database)
            await asyncio.gather(*(self._begin(case, gateway, upstream) for case in self._cases.values()))
            await self._signal(gateway, upstream)
            answers = await asyncio.gather(*(self._calls[name].answer() for name in self._cases))
            await gateway.wait()
            self._released.set()  # not earlier: the gateway reads on for a moment where it cut a call
            await asyncio.gather(*(call.close() for call in (*self._calls.values(), *self._leaders)))
        return [_Played(case, answer) for case, answer in zip(self._cases.values(), answers, strict=True)]

    async def _break(self, redis: FaultProxy, database: FaultProxy) -> None:
        if self._stores is StoreState.REDIS_DOWN:
            await redis.set(Mode.REFUSE)
        if self._stores is StoreState.POSTGRES_DOWN:
            await database.set(Mode.REFUSE)

    def _script(self, request: ReceivedRequest) -> Script:
        case = self._cases.get(request.model)
        if case is None:
            return scripts.whole(request, 200, b'{"object":"list","data":[]}')
        whole = scripts.good(request)
        begun = _begun(case.moment, request)
        rest = _after(whole, begun)
        return [*begun, self._released, *rest]

    async def _begin(self, case: ProcessCase, gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
        """Bring a call to its moment."""
        call = self._calls[case.id] = await self._call(gateway)
        request = self._request(case, call)
        match case.moment:
            case CallMoment.NOT_CONNECTED:
                await call.close()
            case CallMoment.IDLE_CONNECTION:
                await call.use_once()
            case CallMoment.HALF_A_HEAD | CallMoment.HALF_A_BODY:
                await call.send(request[: _cut(case, request)])
            case CallMoment.JOINED:
                leader = await self._call(gateway)
                self._leaders.append(leader)
                await leader.send(request)
                await wait_until(lambda: upstream.held[case.id] > 0)
                await call.send(request)
            case _:
                await call.send(request)
                await wait_until(lambda: upstream.held[case.id] > 0)
        if case.stream and case.moment in HAS_BEGUN:
            await call.until(speech.WORDS[0][:9].encode())

    async def _signal(self, gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
        """End the process, and send what comes after the signal."""
        if self._ending is Ending.KILLED:
            gateway.kill()
            return
        gateway.process.send_signal(signal.SIGTERM)
        await _until_draining(gateway)
        later = [case for case in self._cases.values() if case.moment in COMES_LATER]
        await asyncio.gather(*(self._continue(case, gateway) for case in later))
        await wait_until(lambda: all(upstream.held[case.id] > 0 for case in later))
        if self._ending is Ending.TERMINATED:
            self._released.set()
        elif self._ending is Ending.TWICE:
            gateway.process.send_signal(signal.SIGTERM)

    async def _continue(self, case: ProcessCase, gateway: GatewayProcess) -> None:
        if case.moment is CallMoment.NOT_CONNECTED:
            self._calls[case.id] = await self._call(gateway)
        call = self._calls[case.id]
        request = self._request(case, call)
        await call.send(request[_cut(case, request) :])

    async def _call(self, gateway: GatewayProcess) -> RawCall:
        address = urlsplit(gateway.root)
        return await RawCall(address.hostname or "", address.port or 0, gateway.key).connect()

    def _request(self, case: ProcessCase, call: RawCall) -> bytes:
        body = speech.request(case.route, case.id, stream=case.stream)
        return call.request(speech.PATHS[case.route], body)


async def _until_draining(gateway: GatewayProcess) -> None:
    """Wait until load balancers are told to send no more calls."""
    async with asyncio.timeout(DRAIN_SECONDS):
        while (await gateway.call("/readyz")).status == 200:  # each look is a call
            pass


def _cut(case: ProcessCase, request: bytes) -> int:
    """Return where the request is cut in two."""
    if case.moment is CallMoment.HALF_A_HEAD:
        return request.index(b"content-type")
    if case.moment is CallMoment.HALF_A_BODY:
        return len(request) - 20
    return 0


def _begun(moment: CallMoment, request: ReceivedRequest) -> Script:
    """Return what the upstream sends before it waits."""
    match moment:
        case CallMoment.HEADERS:
            return [scripts.good_head(request)]
        case CallMoment.MIDDLE | CallMoment.JOINED:
            return [*scripts.first_half(request)]
        case CallMoment.END:
            return [*scripts.all_but_last(request)]
        case _:
            return []


def _after(whole: Script, begun: Script) -> Script:
    """Return the rest of an answer, of which `begun` was sent; pieces may be cut elsewhere."""
    data, sent = (b"".join(step for step in steps if isinstance(step, bytes)) for steps in (whole, begun))
    if data.startswith(sent):
        return [data[len(sent) :]]
    return [scripts.chunk(_LAST_BYTE), scripts.END]  # the body without its last byte is one chunk


_LAST_BYTE = b"}"


def _verdict(one: _Played, lines: Mapping[str, list[Json]]) -> ProcessVerdict:
    entries = tuple(sorted((line["outcome"], line["cost_nanos"]) for line in lines.get(one.case.id, [])))
    if isinstance(one.answer, str):
        return ProcessVerdict(status=0, end=one.answer, code=None, retry="", closes=False, entries=entries)
    end, code = ended(one.case.route, one.answer)
    return ProcessVerdict(
        status=one.answer.status,
        end=end,
        code=code,
        retry=one.answer.headers.get("x-should-retry", ""),
        closes=one.case.moment in COMES_LATER and one.answer.headers.get("connection", "") == "close",
        entries=entries,
    )
