"""The flights of one process, by fingerprint.

A process that leads a flight renews its lease in Redis and relays its events to followers in other processes. A process
that follows another one's flight has a flight of its own, whose source is a `Follower`.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from tidegate.coalescing.flight import Flight, FlightSource, ignore
from tidegate.coalescing.follower import Follower, Takeover
from tidegate.coalescing.mailbox import FollowMessage, Mailbox
from tidegate.core.errors import RedisUnavailable, TidegateError
from tidegate.core.periodic import PeriodicTask
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import RedisLink, Script

_RENEWALS_PER_LEASE = 5
_log = structlog.get_logger("flights")


class FlightRegistry:
    """The flights of one process. Use it between `start` and `close`."""

    def __init__(self, link: RedisLink, *, prefix: str, process: str, lease_seconds: float) -> None:
        """`process` names this process among all that share the Redis."""
        self._link = link
        self._names = RedisNames(prefix)
        self._process = process
        self._lease_seconds = lease_seconds
        self._renew = Script("renew")
        self._mailbox = Mailbox(link, prefix=prefix, process=process)
        self._flights: set[Flight] = set()
        self._by_fingerprint: dict[str, Flight] = {}
        self._owners: dict[str, str] = {}
        self._relays: dict[str, asyncio.Task[None]] = {}
        self._lease_task = PeriodicTask(
            "flight-leases",
            self._renew_leases,
            every=lease_seconds / _RENEWALS_PER_LEASE,
            wait_first=True,
            quiet=(RedisUnavailable,),  # the lease outlasts several rounds
        )

    def __repr__(self) -> str:
        return f"<FlightRegistry: {len(self._flights)} flights, {len(self._owners)} owned, {len(self._relays)} relayed>"

    async def start(self) -> None:
        """Begin to renew leases and to receive the messages of other processes."""
        await self._lease_task.start()
        await self._mailbox.start(self._serve_follower)

    async def close(self) -> None:
        """Stop, once abandoned upstream calls are settled."""
        await asyncio.gather(*(flight.wait_settled() for flight in self._flights), return_exceptions=True)
        await self._lease_task.close()
        for relay in list(self._relays.values()):
            relay.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await relay
        await self._mailbox.close()

    def owner_name(self, request_id: str) -> str:
        """Return the name under which a request of this process claims a flight."""
        return f"{self._process}:{request_id}"

    def is_own(self, owner: str) -> bool:
        """Return whether the owner of a flight is a request of this process."""
        return owner.startswith(f"{self._process}:")

    def find(self, fingerprint: str) -> Flight | None:
        """Return this process's flight for an answer, if it can still be joined."""
        flight = self._by_fingerprint.get(fingerprint)
        return flight if flight is not None and flight.joinable else None

    def local_owner(self, fingerprint: str) -> str | None:
        """Return the owner's name if this process has a flight for this answer that may be joined."""
        return self.owner_name("") if self.find(fingerprint) else None

    def leads(self, fingerprint: str) -> bool:
        """Return whether this process has the flight that calls the upstream, so that others may follow it."""
        return fingerprint in self._owners and self.find(fingerprint) is not None

    def lead(
        self, source: FlightSource, *, fingerprint: str, owner: str, on_unused: Callable[[], None] = ignore
    ) -> Flight:
        """Return a new flight; with an `owner` it holds the claim, and other calls may join it.

        `on_unused` is called when none reads the answer any more.
        """
        if owner:
            self._owners[fingerprint] = owner
        return self._begin(source, fingerprint if owner else "", on_unused)

    def hold_lease(self, fingerprint: str, owner: str) -> None:
        """Renew the lease of a claim until the flight ends."""
        self._owners[fingerprint] = owner

    def follow(
        self, fingerprint: str, owner: str, *, takeover: Takeover, on_unused: Callable[[], None] = ignore
    ) -> Flight:
        """Return a flight that repeats another process's; if that process dies, `takeover` continues it."""
        return self._begin(Follower(self._mailbox, fingerprint, owner, takeover=takeover), fingerprint, on_unused)

    def _begin(self, source: FlightSource, fingerprint: str, on_unused: Callable[[], None]) -> Flight:
        flight = Flight(source, on_end=self._forget, on_unused=on_unused, fingerprint=fingerprint)
        self._flights.add(flight)
        if fingerprint:
            self._by_fingerprint[fingerprint] = flight
        return flight

    def _forget(self, flight: Flight) -> None:
        fingerprint = flight.fingerprint
        flight.call_when_settled(self._flights.discard)
        if self._by_fingerprint.get(fingerprint) is flight:
            del self._by_fingerprint[fingerprint]
        if fingerprint not in self._by_fingerprint:
            self._owners.pop(fingerprint, None)

    async def _renew_leases(self) -> None:
        if not self._owners:
            return
        keys = [self._names.of("flight", fingerprint) for fingerprint in self._owners]
        await self._link.run(self._renew, keys, (int(self._lease_seconds * 1000), *self._owners.values()))

    def _serve_follower(self, message: FollowMessage) -> None:
        """Start or stop a relay, as a follower in another process requests it."""
        flight = self.find(message.fingerprint) if message.wants and self.leads(message.fingerprint) else None
        if flight is not None:
            flight.subscribe()  # first: the previous relay may be the last subscriber
        elif message.wants and message.follower in self._relays:
            return  # the answer has just ended, and the relay is sending the end
        running = self._relays.pop(message.follower, None)
        if running is not None:
            running.cancel()
        if not message.wants:
            return
        task = asyncio.create_task(self._relay(flight, message), name="flight-relay")
        self._relays[message.follower] = task
        task.add_done_callback(lambda done: self._relay_done(flight, message.follower, done))

    def _relay_done(self, flight: Flight | None, follower: str, task: "asyncio.Task[None]") -> None:
        if flight is not None:
            flight.unsubscribe()
        if self._relays.get(follower) is task:
            del self._relays[follower]
        if not task.cancelled() and (error := task.exception()):
            _log.error("relay failed", error=repr(error))

    async def _relay(self, flight: Flight | None, message: FollowMessage) -> None:
        """Send the events of a flight to a follower, from the index it requests."""
        if flight is None:
            await self._mailbox.send_lost(message)
            return
        try:
            await self._relay_events(flight, message)
        except RedisUnavailable as error:
            # the answer did not fail: the follower notices the silence and requests the events again
            if not error.is_outage:
                _log.warning("relay interrupted", detail=error.message)
        except TidegateError as error:
            await self._mailbox.send_error(message, error)

    async def _relay_events(self, flight: Flight, message: FollowMessage) -> None:
        head = await flight.head()
        index = message.index
        has_listener = await self._mailbox.send_events(message, index, [], head=head)
        while has_listener and await flight.event(index) is not None:
            events = flight.events[index:]
            has_listener = await self._mailbox.send_events(message, index, events, cost_nanos=flight.cost_nanos)
            index += len(events)
        if has_listener:
            await self._mailbox.send_end(message, index, flight.cost_nanos)
