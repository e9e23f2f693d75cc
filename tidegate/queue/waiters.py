"""The requests of one process that wait for the upstream's capacity.

Queue slots enter a request here and wait for its grant. Any process may dispatch a lane; a grant is published to the
channel of the process whose request it is. Redis does not store channel messages, so a request whose estimated wait has
passed enters again, which returns its position or its lost grant.

Two tasks run in the background. One dispatches each lane in which a request of this process waits, when its next grant
is due. The other announces every second that the process is alive, and rechecks requests that are overdue. While Redis
is away, requests wait in `LocalCapacity` instead.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import QueueFull, QueueTimeout, RedisUnavailable, UpstreamBusy
from tidegate.core.periodic import PeriodicTask
from tidegate.queue.feedback import CapacityFeedback
from tidegate.queue.local import LocalCapacity
from tidegate.queue.messages import Granted, LaneLimits, Queued, QueueEntry, QueuePosition, QueueRejected, QueueVerdict
from tidegate.queue.replicas import Replicas
from tidegate.queue.store import CapacityStore, LaneSnapshot
from tidegate.storage.names import RedisNames
from tidegate.storage.pubsub import Channel
from tidegate.storage.redis import RedisLink

ALIVE_SECONDS = 3.0
RENEW_SECONDS = 1.0
OVERDUE_SECONDS = 1.0
"""Seconds after its estimated wait at which a request is rechecked, in case its grant was lost."""
UNCLAIMED_SECONDS = 5.0
"""Seconds for which an unclaimed grant is kept: its request may not have received the verdict `queued` yet."""
_MIN_DISPATCH_SECONDS = 0.005
_IDLE_SECONDS = 3600.0
_RECHECK_BATCH = 100

_decoder = msgspec.msgpack.Decoder(list[msgspec.Raw])
_grant_decoder = msgspec.msgpack.Decoder(tuple[str, int, int])


class _PendingGrant:
    """A request that waits here for its grant."""

    __slots__ = ("due", "entry", "granted", "lane", "local", "since")

    def __init__(self, lane: str, entry: QueueEntry, due: float, *, since: float, local: bool) -> None:
        self.lane = lane
        self.entry = entry
        self.due = due
        self.since = since
        self.local = local
        self.granted: asyncio.Future[QueuePosition] = asyncio.get_running_loop().create_future()


class Waiters:
    """The waiting requests of this process, in all lanes. Use it between `start` and `close`."""

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
        """`lane_limits` returns the configured limits of a lane by its name; `replicas` is kept up to date."""
        self.process = process
        self._clock = clock
        self._lane_limits = lane_limits
        self._store = CapacityStore(link, prefix=prefix, lane_limits=lane_limits)
        self._channel = Channel(link, RedisNames(prefix).of("lane_grants", process))
        self._local = LocalCapacity(lane_limits, replicas)
        self._replicas = replicas
        self.feedback = CapacityFeedback(self._store, self._local, clock=clock, on_learnt=self._dispatch_soon)
        self._waiters: dict[str, _PendingGrant] = {}
        self._dispatch_at: dict[str, float] = {}
        """Lanes in which requests wait here, and when each is dispatched next, by the event loop's clock."""
        self._unclaimed: dict[str, tuple[float, str, QueuePosition, int]] = {}
        """Grants without a waiting request, by member: when they came, lane, position, tokens."""
        self._departed: dict[str, float] = {}
        """Members that left while their grant may have been under way, and when."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._dispatching = PeriodicTask(
            "queue-dispatch", self._dispatch_due, every=self._seconds_until_dispatch, wait_first=True
        )
        self._upkeep = PeriodicTask("queue-upkeep", self._announce_and_recheck, every=RENEW_SECONDS, wait_first=True)

    def __repr__(self) -> str:
        return f"<Waiters of {self.process}: {len(self._waiters)} wait>"

    async def start(self) -> None:
        """Announce this process, and subscribe to its grants."""
        await self._announce()
        await self._channel.start(self._receive, on_gap=self._recheck_all)
        await self._dispatching.start()
        await self._upkeep.start()

    async def close(self) -> None:
        """Stop; requests that still wait get an error."""
        for waiter in self._waiters.values():
            if not waiter.granted.done():
                waiter.granted.set_exception(UpstreamBusy())
        await self._dispatching.close()
        await self._upkeep.close()
        await self.feedback.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._channel.close()

    async def enter(self, lane: str, entry: QueueEntry) -> QueuePosition:
        """Wait until the entry is granted capacity. An entry with a position goes back to it.

        Raises QueueFull and QueueTimeout. If cancelled, the entry leaves the queue.
        """
        verdict, local = await self._request(lane, entry)
        return await self._await_verdict(lane, entry, verdict, local=local)

    async def wait(self, lane: str, entry: QueueEntry, verdict: QueueVerdict) -> QueuePosition:
        """Do as `enter` does, for an entry whose verdict came from the script `admit`."""
        return await self._await_verdict(lane, entry, verdict, local=False)

    def give_back(self, lane: str, entry: QueueEntry) -> None:
        """Return the grant of a request that was not sent, for the next request."""
        self._local.give_back(lane, entry)
        self._run(self._return(lane, entry.tokens))

    def decline(self, lane: str, entry: QueueEntry, verdict: QueueVerdict) -> None:
        """Give up the verdict that `admit` gave a request: return its grant, or leave the queue."""
        if isinstance(verdict, Granted):
            self.give_back(lane, entry)
        elif isinstance(verdict, Queued) and self._unclaimed.pop(entry.member, None) is None:
            self._departed[entry.member] = self._clock.monotonic()
            self._run(self._leave(lane, entry.member))
        elif isinstance(verdict, Queued):
            self.give_back(lane, entry)

    def waiting_calls(self) -> Iterator[tuple[str, str, float]]:
        """Yield the requests that wait in this process: lane, request id, seconds so far."""
        now = self._clock.now()
        for member, waiter in self._waiters.items():
            yield waiter.lane, member.partition(":")[2], now - waiter.since

    @property
    def has_pending_writes(self) -> bool:
        """Whether grants and departures of requests that left are still being written to Redis."""
        return bool(self._tasks)

    async def request(self, lane: str, entry: QueueEntry) -> QueueVerdict:
        """Return the verdict on an entry, for `wait`. Raises nothing."""
        return (await self._request(lane, entry))[0]

    async def snapshot(self, *, limit: int = 100) -> tuple[LaneSnapshot, ...]:
        """Return the waiting requests of all processes. Raises RedisUnavailable."""
        return await self._store.snapshot(self._clock.now(), limit=limit)

    # waiting

    async def _await_verdict(
        self, lane: str, entry: QueueEntry, verdict: QueueVerdict, *, local: bool
    ) -> QueuePosition:
        if isinstance(verdict, Granted):
            return verdict.position
        now = self._clock.now()
        if isinstance(verdict, QueueRejected):
            raise busy_error(verdict, entry.deadline - now)
        unclaimed = self._unclaimed.pop(entry.member, None)
        if unclaimed is not None:
            return unclaimed[2]
        return await self._wait(lane, msgspec.structs.replace(entry, position=verdict.position), verdict, local=local)

    async def _wait(self, lane: str, entry: QueueEntry, verdict: Queued, *, local: bool) -> QueuePosition:
        now = self._clock.now()
        waiter = _PendingGrant(lane, entry, now + verdict.eta + OVERDUE_SECONDS, since=now, local=local)
        self._waiters[entry.member] = waiter
        self.feedback.report_waiting(lane)
        if lane not in self._dispatch_at:
            self._dispatch_soon(lane)
        expiry = asyncio.get_running_loop().call_later(entry.deadline - now, self._expire, waiter)
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            self._give_up(waiter)
            raise
        finally:
            expiry.cancel()
            del self._waiters[entry.member]

    def _expire(self, waiter: _PendingGrant) -> None:
        if not waiter.granted.done():
            waited = self._clock.now() - waiter.since
            waiter.granted.set_exception(
                QueueTimeout(
                    "The upstream's capacity for this model is used up (its limit, not yours): "
                    f"this request was not granted any within the {waited:.1f} s that it may wait.",
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

    # grants

    def _receive(self, data: bytes) -> None:
        name, *grants = _decoder.decode(data)
        lane = msgspec.msgpack.decode(name, type=str)
        for member, seq, tokens in map(_grant_decoder.decode, grants):
            self._grant(lane, member, QueuePosition(seq), tokens)

    def _grant(self, lane: str, member: str, position: QueuePosition, tokens: int) -> None:
        waiter = self._waiters.get(member)
        if waiter is not None and not waiter.granted.done():
            waiter.granted.set_result(position)
            if waiter.local:
                self._local.leave(lane, member)
        elif waiter is not None or self._departed.pop(member, None) is not None:
            self._run(self._return(lane, tokens))
        else:
            self._unclaimed[member] = (self._clock.monotonic(), lane, position, tokens)

    def _dispatch_soon(self, lane: str) -> None:
        if self._has_waiting(lane):
            self._dispatch_at[lane] = 0.0
            self._dispatching.wake()

    def _has_waiting(self, lane: str) -> bool:
        return any(waiter.lane == lane for waiter in self._waiters.values())

    def _seconds_until_dispatch(self, _failures: int) -> float:
        if not self._dispatch_at:
            return _IDLE_SECONDS
        return max(0.0, min(self._dispatch_at.values()) - asyncio.get_running_loop().time())

    async def _dispatch_due(self) -> None:
        """Dispatch all lanes that are due. A lane whose dispatch fails is due again later, and delays no other."""
        now = asyncio.get_running_loop().time()
        lanes = [lane for lane, due in self._dispatch_at.items() if due <= now]
        for lane in lanes:
            self._dispatch_at[lane] = now + OVERDUE_SECONDS
        results = await asyncio.gather(*(self._dispatch(lane) for lane in lanes), return_exceptions=True)
        for error in results:
            if error is not None:
                raise error

    async def _dispatch(self, lane: str) -> None:
        """Dispatch a lane now, and schedule its next dispatch."""
        now = self._clock.now()
        granted, local_seconds = self._local.dispatch(lane, now)
        for member in granted:
            if member in self._waiters and not self._waiters[member].granted.done():
                self._waiters[member].granted.set_result(self._waiters[member].entry.position or QueuePosition(0))
        try:
            redis_seconds = await self._store.dispatch(lane, now)
        except RedisUnavailable:
            redis_seconds = None
            self._fall_back(lane)
        pauses = [seconds for seconds in (redis_seconds, local_seconds) if seconds is not None]
        self._schedule(lane, max(_MIN_DISPATCH_SECONDS, min(pauses, default=OVERDUE_SECONDS)))

    def _schedule(self, lane: str, seconds: float) -> None:
        if not self._has_waiting(lane):
            self._dispatch_at.pop(lane, None)
            return
        due = asyncio.get_running_loop().time() + seconds
        self._dispatch_at[lane] = min(self._dispatch_at[lane], due)  # a wake-up during the dispatch may be earlier

    def _fall_back(self, lane: str) -> None:
        """Move the requests that wait in Redis to the local queue, in the same order, because Redis is away."""
        waiters = [waiter for waiter in self._waiters.values() if waiter.lane == lane and not waiter.local]
        for waiter in sorted(waiters, key=lambda waiter: waiter.entry.position.seq if waiter.entry.position else 0):
            waiter.local = True
            self._apply_verdict(waiter, self._local.enter(lane, waiter.entry, self._clock.now()))

    # upkeep

    async def _announce_and_recheck(self) -> None:
        await self._announce()
        self._return_unclaimed()
        now = self._clock.now()
        overdue = [waiter for waiter in self._waiters.values() if waiter.due < now]
        for begin in range(0, len(overdue), _RECHECK_BATCH):
            await asyncio.gather(*(self._recheck(waiter) for waiter in overdue[begin : begin + _RECHECK_BATCH]))

    async def _announce(self) -> None:
        with contextlib.suppress(RedisUnavailable):  # the next round announces it again
            now = self._clock.now()
            count = await self._store.announce_process(self.process, for_seconds=ALIVE_SECONDS, now=now)
            self._replicas.set_count(count)

    def _return_unclaimed(self) -> None:
        before = self._clock.monotonic() - UNCLAIMED_SECONDS
        for member in [member for member, grant in self._unclaimed.items() if grant[0] < before]:
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

    async def _request(self, lane: str, entry: QueueEntry) -> tuple[QueueVerdict, bool]:
        """Return the verdict, and whether it is a local one because Redis is away."""
        try:
            verdict = await self._store.enter(lane, entry, self._clock.now())
        except RedisUnavailable:
            return self._local.enter(lane, entry, self._clock.now()), True
        self._local.discard(lane)
        return verdict, False

    # writing to Redis

    async def _leave(self, lane: str, member: str) -> None:
        with contextlib.suppress(RedisUnavailable):  # Redis drops the entry at its deadline
            if await self._store.leave(lane, member, self._clock.now()):
                self._departed.pop(member, None)

    async def _return(self, lane: str, tokens: int) -> None:
        with contextlib.suppress(RedisUnavailable):  # the capacity of this one grant is lost
            await self._store.give_back(lane, tokens, self._clock.now())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def busy_error(verdict: QueueRejected, patience: float) -> UpstreamBusy:
    """Return the error for a request that is not queued; `patience` is the seconds that it may wait."""
    busy = "The upstream's capacity for this model is used up (its limit, not yours)"
    if verdict.full:
        return QueueFull(
            f"{busy}, and the queue is full (`queue.max_waiting`). Estimated wait: {verdict.eta:.1f} s.",
            retry_after=verdict.eta,
        )
    return QueueTimeout(
        f"{busy}: the estimated wait is {verdict.eta:.1f} s, and this request may wait {max(0.0, patience):.1f} s.",
        retry_after=verdict.eta,
    )
