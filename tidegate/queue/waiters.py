"""The calls of one process that wait for the upstream's capacity.

A grant is published to the process's channel. A channel keeps nothing, so a waiter whose estimate has passed asks where
it stands. There is one timer for each lane somebody here waits in, and one task that says the process is alive.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import msgspec
import structlog

from tidegate.core.clock import Clock
from tidegate.core.errors import QueueFull, QueueTimeout, RedisUnavailable, UpstreamBusy
from tidegate.queue.feedback import CapacityFeedback
from tidegate.queue.local import LocalCapacity
from tidegate.queue.messages import Granted, LaneLimits, Queued, QueueEntry, QueuePosition, QueueRejected, QueueVerdict
from tidegate.queue.replicas import Replicas
from tidegate.queue.store import CapacityStore, LaneSnapshot
from tidegate.storage.pubsub import Channel
from tidegate.storage.redis import RedisLink

ALIVE_SECONDS = 3.0
RENEW_SECONDS = 1.0
OVERDUE_SECONDS = 1.0
"""After its estimate, a waiter asks whether its grant was lost."""
UNCLAIMED_SECONDS = 5.0
"""A grant that nobody here claims is kept so long: its call may not know yet that it was queued."""
_MIN_DISPATCH_SECONDS = 0.005
_RECHECK_BATCH = 100

_log = structlog.get_logger("lanes")
_decoder = msgspec.msgpack.Decoder(list[msgspec.Raw])
_grant_decoder = msgspec.msgpack.Decoder(tuple[str, int, int])


class _PendingGrant:
    """One who waits here."""

    __slots__ = ("due", "entry", "granted", "lane", "local", "since")

    def __init__(self, lane: str, ticket: QueueEntry, due: float, *, since: float, local: bool) -> None:
        self.lane = lane
        self.entry = ticket
        self.due = due
        self.since = since
        self.local = local
        self.granted: asyncio.Future[QueuePosition] = asyncio.get_running_loop().create_future()


class Waiters:
    """This process's waiters in all lanes. Use it between `start` and `close`."""

    def __init__(  # a parameter for each part
        self,
        link: RedisLink,
        *,
        prefix: str,
        process: str,
        clock: Clock,
        lane_limits: Callable[[str], LaneLimits],
        replicas: Replicas,
    ) -> None:
        """`terms` gives what the configuration says of a lane, by its name; `replicas` is kept up to date."""
        self.process = process
        self._clock = clock
        self._lane_limits = lane_limits
        self._store = CapacityStore(link, prefix=prefix, lane_limits=lane_limits)
        self._channel = Channel(link, f"{{{prefix}}}:lanes:{process}")
        self._local = LocalCapacity(lane_limits, replicas)
        self._replicas = replicas
        self.feedback = CapacityFeedback(self._store, self._local, clock=clock, on_learnt=self._dispatch_soon)
        self._waiters: dict[str, _PendingGrant] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._unclaimed: dict[str, tuple[float, str, QueuePosition, int]] = {}
        """Grants nobody claimed, by member: when they came, lane, place, tokens."""
        self._departed: dict[str, float] = {}
        """Members who left when they may have been granted already, and when."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Places of {self.process}: {len(self._waiters)} wait>"

    async def start(self) -> None:
        """Say that this process lives, and hear its grants."""
        await self._renew()
        await self._channel.start(self._receive, on_gap=self._recheck_all)
        self._keeper = asyncio.create_task(self._keep(), name="places")

    async def close(self) -> None:
        """Stop; who still waits is released with an error."""
        for waiter in self._waiters.values():
            if not waiter.granted.done():
                waiter.granted.set_exception(UpstreamBusy())
        for timer in self._timers.values():
            timer.cancel()
        await self.feedback.close()
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._channel.close()

    async def enter(self, lane: str, entry: QueueEntry) -> QueuePosition:
        """Take capacity, now or when its turn comes. A ticket with a place goes back to it.

        Raises QueueFull and QueueTimeout. Cancelled, it leaves the queue.
        """
        verdict, local = await self._request(lane, entry)
        return await self._await_verdict(lane, entry, verdict, local=local)

    async def wait(self, lane: str, entry: QueueEntry, verdict: QueueVerdict) -> QueuePosition:
        """As `enter`, for a call that was given its verdict elsewhere (by `admit`)."""
        return await self._await_verdict(lane, entry, verdict, local=False)

    def give_back(self, lane: str, entry: QueueEntry) -> None:
        """A granted call was never sent: the next may go."""
        self._local.give_back(lane, entry)
        self._run(self._return(lane, entry.tokens))

    def decline(self, lane: str, entry: QueueEntry, verdict: QueueVerdict) -> None:
        """A call that was given this verdict by `admit` does not want it."""
        if isinstance(verdict, Granted):
            self.give_back(lane, entry)
        elif isinstance(verdict, Queued) and self._unclaimed.pop(entry.member, None) is None:
            self._departed[entry.member] = self._clock.monotonic()
            self._run(self._leave(lane, entry.member))
        elif isinstance(verdict, Queued):
            self.give_back(lane, entry)

    def waiting_calls(self) -> Iterator[tuple[str, str, float]]:
        """Who waits in this process: lane, request, seconds so far."""
        now = self._clock.now()
        for member, waiter in self._waiters.items():
            yield waiter.lane, member.partition(":")[2], now - waiter.since

    @property
    def has_pending_writes(self) -> bool:
        """Whether anything is still being told to Redis for those who left."""
        return bool(self._tasks)

    async def request(self, lane: str, entry: QueueEntry) -> QueueVerdict:
        """The verdict on a ticket, to `wait` for; raises nothing."""
        return (await self._request(lane, entry))[0]

    async def snapshot(self, *, limit: int = 100) -> tuple[LaneSnapshot, ...]:
        """Who waits in all processes. Raises RedisUnavailable."""
        return await self._store.snapshot(self._clock.now(), limit=limit)

    # waiting

    async def _await_verdict(
        self, lane: str, ticket: QueueEntry, verdict: QueueVerdict, *, local: bool
    ) -> QueuePosition:
        if isinstance(verdict, Granted):
            return verdict.position
        now = self._clock.now()
        if isinstance(verdict, QueueRejected):
            raise busy_error(verdict, ticket.deadline - now)
        stray = self._unclaimed.pop(ticket.member, None)
        if stray is not None:
            return stray[2]
        return await self._wait(lane, msgspec.structs.replace(ticket, position=verdict.position), verdict, local=local)

    async def _wait(self, lane: str, ticket: QueueEntry, verdict: Queued, *, local: bool) -> QueuePosition:
        now = self._clock.now()
        waiter = _PendingGrant(lane, ticket, now + verdict.eta + OVERDUE_SECONDS, since=now, local=local)
        self._waiters[ticket.member] = waiter
        self.feedback.report_waiting(lane)
        if lane not in self._timers:
            self._dispatch_soon(lane)
        expiry = asyncio.get_running_loop().call_later(ticket.deadline - now, self._expire, waiter)
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            self._give_up(waiter)
            raise
        finally:
            expiry.cancel()
            del self._waiters[ticket.member]

    def _expire(self, waiter: _PendingGrant) -> None:
        if not waiter.granted.done():
            waited = self._clock.now() - waiter.since
            waiter.granted.set_exception(
                QueueTimeout(
                    "The upstream's capacity for this model is used up (its limit, not yours): "
                    f"this call's turn did not come within the {waited:.1f} s it could wait.",
                    retry_after=OVERDUE_SECONDS,
                )
            )
            self._give_up(waiter)

    def _give_up(self, waiter: _PendingGrant) -> None:
        granted = waiter.granted
        if granted.done() and not granted.cancelled() and granted.exception() is None:
            self.give_back(waiter.lane, waiter.entry)
            return
        self._local.leave(waiter.lane, waiter.entry.member)
        self._departed[waiter.entry.member] = self._clock.monotonic()
        self._run(self._leave(waiter.lane, waiter.entry.member))

    # granting

    def _receive(self, data: bytes) -> None:
        name, *grants = _decoder.decode(data)
        lane = msgspec.msgpack.decode(name, type=str)
        for member, seq, tokens in map(_grant_decoder.decode, grants):
            self._grant(lane, member, QueuePosition(seq), tokens)

    def _grant(self, lane: str, member: str, place: QueuePosition, tokens: int) -> None:
        waiter = self._waiters.get(member)
        if waiter is not None and not waiter.granted.done():
            waiter.granted.set_result(place)
            if waiter.local:
                self._local.leave(lane, member)
        elif waiter is not None or self._departed.pop(member, None) is not None:
            self._run(self._return(lane, tokens))
        else:
            self._unclaimed[member] = (self._clock.monotonic(), lane, place, tokens)

    def _dispatch_soon(self, lane: str) -> None:
        self._dispatch_after(lane, 0.0)

    def _dispatch_after(self, lane: str, seconds: float) -> None:
        timer = self._timers.pop(lane, None)
        if timer is not None:
            timer.cancel()
        if any(waiter.lane == lane for waiter in self._waiters.values()):
            loop = asyncio.get_running_loop()
            self._timers[lane] = loop.call_later(seconds, lambda: self._run(self._dispatch(lane)))

    async def _dispatch(self, lane: str) -> None:
        """Have granted what fits now, and come back when more may."""
        now = self._clock.now()
        granted, local_again = self._local.dispatch(lane, now)
        for member in granted:
            if member in self._waiters and not self._waiters[member].granted.done():
                self._waiters[member].granted.set_result(self._waiters[member].entry.position or QueuePosition(0))
        try:
            again = await self._store.dispatch(lane, now)
        except RedisUnavailable:
            again = None
            self._fall_back(lane)
        looks = [seconds for seconds in (again, local_again) if seconds is not None]
        self._dispatch_after(lane, max(_MIN_DISPATCH_SECONDS, min(looks, default=OVERDUE_SECONDS)))

    def _fall_back(self, lane: str) -> None:
        """Redis is away: who waits there waits here now, in the same order."""
        waiters = [waiter for waiter in self._waiters.values() if waiter.lane == lane and not waiter.local]
        for waiter in sorted(waiters, key=lambda waiter: waiter.entry.position.seq if waiter.entry.position else 0):
            waiter.local = True
            self._apply_verdict(waiter, self._local.enter(lane, waiter.entry, self._clock.now()))

    # finding out

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self._renew()
            self._clear()
            now = self._clock.now()
            overdue = [waiter for waiter in self._waiters.values() if waiter.due < now]
            for begin in range(0, len(overdue), _RECHECK_BATCH):
                await asyncio.gather(*(self._recheck(waiter) for waiter in overdue[begin : begin + _RECHECK_BATCH]))

    async def _renew(self) -> None:
        with contextlib.suppress(RedisUnavailable):  # the next renewal says it again
            now = self._clock.now()
            self._replicas.set_count(
                await self._store.announce_process(self.process, for_seconds=ALIVE_SECONDS, now=now)
            )

    def _clear(self) -> None:
        before = self._clock.monotonic() - UNCLAIMED_SECONDS
        for member in [member for member, stray in self._unclaimed.items() if stray[0] < before]:
            _, lane, _, tokens = self._unclaimed.pop(member)
            self._run(self._return(lane, tokens))
        self._departed = {member: at for member, at in self._departed.items() if at >= before}

    def _recheck_all(self) -> None:
        for waiter in self._waiters.values():
            waiter.due = 0.0

    async def _recheck(self, waiter: _PendingGrant) -> None:
        if waiter.granted.done():
            return
        verdict, waiter.local = await self._request(waiter.lane, waiter.entry)
        self._apply_verdict(waiter, verdict)

    def _apply_verdict(self, waiter: _PendingGrant, verdict: QueueVerdict) -> None:
        waiter.due = self._clock.now() + getattr(verdict, "eta", 0.0) + OVERDUE_SECONDS
        if isinstance(verdict, Granted):
            if waiter.granted.done():
                self.give_back(waiter.lane, waiter.entry)
            else:
                waiter.granted.set_result(verdict.position)

    async def _request(self, lane: str, ticket: QueueEntry) -> tuple[QueueVerdict, bool]:
        """The verdict, and whether it is this process's own because Redis is away."""
        try:
            verdict = await self._store.enter(lane, ticket, self._clock.now())
        except RedisUnavailable:
            return self._local.enter(lane, ticket, self._clock.now()), True
        self._local.discard(lane)
        return verdict, False

    # telling

    async def _leave(self, lane: str, member: str) -> None:
        with contextlib.suppress(RedisUnavailable):  # its deadline ends it there
            if await self._store.leave(lane, member, self._clock.now()):
                self._departed.pop(member, None)

    async def _return(self, lane: str, tokens: int) -> None:
        with contextlib.suppress(RedisUnavailable):  # a grant's worth of capacity is lost, once
            await self._store.give_back(lane, tokens, self._clock.now())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def busy_error(verdict: QueueRejected, patience: float) -> UpstreamBusy:
    """Why there is no use in waiting; `patience` is the seconds that the call has."""
    busy = "The upstream's capacity for this model is used up (its limit, not yours)"
    if verdict.full:
        return QueueFull(
            f"{busy}, and as many calls wait for it as may (`queue.max_waiting`). Estimated wait: {verdict.eta:.1f} s.",
            retry_after=verdict.eta,
        )
    return QueueTimeout(
        f"{busy}: the estimated wait is {verdict.eta:.1f} s, and this call may wait {max(0.0, patience):.1f} s.",
        retry_after=verdict.eta,
    )
