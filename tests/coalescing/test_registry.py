"""Two processes share one upstream call: the second receives the first one's answer, whatever happens to the first.

Two `Flights` on one Redis are two processes in all but memory.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.coalescing.scripted import HEAD, ScriptedSource, event, events, no_loop_errors, read_all, run_ready_tasks
from tests.eventually import PATIENCE_SECONDS, wait_until
from tidegate.coalescing.flight import Flight, FlightSource
from tidegate.coalescing.registry import FlightRegistry
from tidegate.core.clock import SystemClock
from tidegate.core.errors import FlightLost, TruncatedAnswer, UpstreamErrorDetail, UpstreamRateLimited
from tidegate.core.values import AnswerHead
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.redis import RedisLink

LEASE = 1.0
"""Seconds."""
FINGERPRINT = "f" * 40


class Replica:
    """One process's flights, on a link of its own, with what the gate would do for it."""

    def __init__(self, stores: StoreUrls, prefix: str, name: str) -> None:
        self.link = RedisLink(stores.redis_url, timeout=2.0, clock=SystemClock())
        self.flights = FlightRegistry(self.link, prefix=prefix, process=name, lease_seconds=LEASE)
        self.key = f"{{{prefix}}}:flight:{FINGERPRINT}"
        self.takeover_count = 0
        self.replacement: FlightSource | None = None
        """What this process asks with, once the claim is free."""

    async def start(self) -> None:
        """Connect."""
        await self.link.start()
        await self.flights.start()

    async def stop(self) -> None:
        """Let go of everything."""
        await self.flights.close()
        await self.link.close()

    async def lead(self, source: FlightSource, request: str = "r1") -> Flight:
        """Claim the flight as the gate does, and ask."""
        owner = self.flights.owner_name(request)
        await self.link.command("SET", self.key, owner, "PX", int(LEASE * 1000))
        return self.flights.lead(source, fingerprint=FINGERPRINT, owner=owner)

    async def settle(self) -> None:
        """End the claim as the gate does."""
        await self.link.command("DEL", self.key)

    async def owner(self) -> str | None:
        """Who holds the claim."""
        reply = await self.link.command("GET", self.key)
        return reply.decode() if reply else None

    def follow(self, owner: str = "one:r1") -> Flight:
        """Join the flight of another, or the one here that repeats it."""
        return self.flights.find(FINGERPRINT) or self.flights.follow(FINGERPRINT, owner, takeover=self)

    async def take_over(self, _: AnswerHead | None) -> FlightSource | str:
        """Claim the flight for this process, or name its owner. Implements `Takeover`."""
        self.takeover_count += 1
        name = self.flights.owner_name("again")
        if not await self.link.command("SET", self.key, name, "NX", "PX", int(LEASE * 1000)):
            return await self.owner() or "gone:r0"
        assert self.replacement is not None, "no take-over was expected"
        self.flights.hold_lease(FINGERPRINT, name)
        return self.replacement


@pytest.fixture(autouse=True)
async def _no_complaints() -> AsyncIterator[None]:
    async with no_loop_errors():
        yield


@pytest.fixture
async def one(clean_stores: StoreUrls, redis_prefix: str) -> AsyncIterator[Replica]:
    process = Replica(clean_stores, redis_prefix, "one")
    await process.start()
    yield process
    await process.stop()


@pytest.fixture
async def two(clean_stores: StoreUrls, redis_prefix: str) -> AsyncIterator[Replica]:
    process = Replica(clean_stores, redis_prefix, "two")
    await process.start()
    yield process
    await process.stop()


async def crash(process: Replica) -> None:
    """End a process as a crash does: it sends no end, renews no lease, and reads no mailbox."""
    await process.flights.close()
    await process.link.close()


async def test_a_follower_hears_the_leader_live(one: Replica, two: Replica) -> None:
    source = ScriptedSource()
    leading = asyncio.create_task(read_all(await one.lead(source)))
    following = two.follow()
    following.subscribe()
    source.begin()
    assert await following.head() == HEAD
    for number in range(5):
        source.add_events(events(number))
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await following.event(number) == event(number), "before the next one is added"
    source.end(cost=1234)
    assert await following.event(5) is None
    assert following.cost_nanos == 1234, "what it saved"
    assert await leading == events(*range(5))
    assert (source.opens, two.takeover_count) == (1, 0)
    following.unsubscribe()


async def test_who_follows_late_hears_it_from_the_start(one: Replica, two: Replica) -> None:
    source = ScriptedSource.begun()
    source.add_events(events(0, 1, 2))
    leading = await one.lead(source)
    leader = asyncio.create_task(read_all(leading))
    await wait_until(lambda: len(leading.events) == 3)
    follower = asyncio.create_task(read_all(two.follow()))
    await wait_until(lambda: "1 relayed" in repr(one.flights))
    source.add_events(events(3))
    source.end()
    assert await follower == await leader == events(0, 1, 2, 3)


async def test_followers_in_one_process_share_one_relay(one: Replica, two: Replica) -> None:
    source = ScriptedSource.begun()
    leader = asyncio.create_task(read_all(await one.lead(source)))
    followers = [asyncio.create_task(read_all(two.follow())) for _ in range(20)]
    await wait_until(lambda: "1 relayed" in repr(one.flights))
    assert repr(two.flights) == "<FlightRegistry: 1 flights, 0 owned, 0 relayed>"
    source.add_events(events(0))
    source.end()
    assert await asyncio.gather(leader, *followers) == [events(0)] * 21
    await wait_until(lambda: repr(one.flights) == "<FlightRegistry: 0 flights, 0 owned, 0 relayed>")
    assert repr(two.flights) == "<FlightRegistry: 0 flights, 0 owned, 0 relayed>"


async def test_an_error_travels_with_all_that_is_known_of_it(one: Replica, two: Replica) -> None:
    source = ScriptedSource()
    leader = asyncio.create_task(read_all(await one.lead(source)))
    follower = asyncio.create_task(read_all(two.follow()))
    await wait_until(lambda: "1 relayed" in repr(one.flights))
    words = UpstreamErrorDetail(
        status=429, type="tokens", code="rate_limit_exceeded", message="Slow.", request_id="req_9"
    )
    source.fail(UpstreamRateLimited("Slow.", kind="tokens", retry_after=7.5, upstream_detail=words))

    [there, here] = await asyncio.gather(leader, follower, return_exceptions=True)

    assert isinstance(there, UpstreamRateLimited)
    assert isinstance(here, UpstreamRateLimited)
    assert (here.message, here.retry_after, here.upstream_detail) == ("Slow.", 7.5, words)
    assert two.takeover_count == 0, "a failed answer is an answer"


async def test_an_answer_that_breaks_off_breaks_off_for_followers_too(one: Replica, two: Replica) -> None:
    source = ScriptedSource.begun()
    source.add_events(events(0))
    leader = asyncio.create_task(read_all(await one.lead(source)))
    following = two.follow()
    following.subscribe()
    await following.head()
    assert await following.event(0) == event(0)
    source.fail(TruncatedAnswer())
    with pytest.raises(TruncatedAnswer):
        await following.event(1)
    following.unsubscribe()
    await asyncio.gather(leader, return_exceptions=True)


async def test_the_leaders_caller_may_leave_while_somebody_follows(one: Replica, two: Replica) -> None:
    source = ScriptedSource.begun()
    leading = await one.lead(source)
    leading.subscribe()
    follower = asyncio.create_task(read_all(two.follow()))
    await wait_until(lambda: "2 subscribers" in repr(leading))
    leading.unsubscribe()
    await asyncio.sleep(2.5)  # the follower's silence clock rings twice: it asks again, and the relay is begun anew
    source.add_events(events(0))
    source.end()
    assert await follower == events(0)
    assert (source.abandon_count, two.takeover_count) == (0, 0)


async def test_the_last_follower_to_leave_lets_the_leader_go(one: Replica, two: Replica) -> None:
    source = ScriptedSource.begun()
    leading = await one.lead(source)
    leading.subscribe()
    followers = [asyncio.create_task(read_all(two.follow())) for _ in range(2)]
    await wait_until(lambda: "2 subscribers" in repr(leading))
    leading.unsubscribe()

    followers[0].cancel()
    await asyncio.gather(followers[0], return_exceptions=True)
    await run_ready_tasks()
    assert "1 subscribers" in repr(leading)
    followers[1].cancel()
    await asyncio.gather(followers[1], return_exceptions=True)

    await wait_until(lambda: source.abandon_count == 1)
    await wait_until(lambda: repr(one.flights) == "<FlightRegistry: 0 flights, 0 owned, 0 relayed>")


@pytest.mark.parametrize("event_count", [0, 2])
async def test_when_the_leader_dies_a_follower_goes_on_seamlessly(one: Replica, two: Replica, event_count: int) -> None:
    source = ScriptedSource.begun()
    leading = await one.lead(source)
    leading.subscribe()
    following = two.follow()
    following.subscribe()
    assert await following.head() == HEAD
    if event_count:
        source.add_events(events(*range(event_count)))
        assert await following.event(event_count - 1) == event(event_count - 1)
        leading.unsubscribe()
    two.replacement = ScriptedSource.of([e.replace(b'"a"', b'"b"') for e in events(0, 1, 2)], events(3), cost=50)

    begun = asyncio.get_running_loop().time()
    await crash(one)

    assert [await following.event(index) for index in range(5)][2:] == [
        event(2).replace(b'"a"', b'"b"'), event(3), None
    ]  # fmt: skip
    assert asyncio.get_running_loop().time() - begun < LEASE + 2
    assert (two.takeover_count, following.cost_nanos) == (1, 50)
    following.unsubscribe()


async def test_a_leader_that_dies_before_its_first_event_is_replaced(one: Replica, two: Replica) -> None:
    await one.lead(ScriptedSource())
    follower = asyncio.create_task(read_all(two.follow()))
    await wait_until(lambda: "1 relayed" in repr(one.flights))
    two.replacement = again = ScriptedSource.of(events(0, 1))
    await crash(one)
    assert await follower == events(0, 1)
    assert again.opens == 1


async def test_a_new_source_that_says_something_else_cannot_continue_the_answer(one: Replica, two: Replica) -> None:
    source = ScriptedSource.begun()
    source.add_events(events(0))
    await one.lead(source)
    following = two.follow()
    following.subscribe()
    await following.head()
    assert await following.event(0) == event(0)
    two.replacement = other = ScriptedSource.of(events(7, 8))
    await crash(one)
    with pytest.raises(FlightLost):
        await following.event(1)
    assert other.abandon_count == 1, "and is not left running"
    following.unsubscribe()


async def test_a_follower_that_took_over_is_followed_in_turn(
    one: Replica, two: Replica, clean_stores: StoreUrls, redis_prefix: str
) -> None:
    three = Replica(clean_stores, redis_prefix, "three")
    await three.start()
    await one.lead(ScriptedSource())
    followers = [asyncio.create_task(read_all(process.follow())) for process in (two, three)]
    await wait_until(lambda: "2 relayed" in repr(one.flights))
    two.replacement = three.replacement = again = ScriptedSource()

    await crash(one)
    await wait_until(lambda: two.takeover_count + three.takeover_count > 0)
    again.begin()
    again.add_events(events(0))
    again.end()

    assert await asyncio.gather(*followers) == [events(0)] * 2
    assert again.opens == 1
    await three.stop()


async def test_a_claim_is_kept_alive_as_long_as_the_flight(one: Replica) -> None:
    source = ScriptedSource()
    flight = await one.lead(source)
    flight.subscribe()
    await asyncio.sleep(1.6 * LEASE)
    assert await one.owner() == "one:r1"
    source.begin()
    source.end()
    await flight.head()
    assert await flight.event(0) is None
    await asyncio.sleep(1.3 * LEASE)
    assert await one.owner() is None
    flight.unsubscribe()


async def test_a_claim_that_passed_to_another_is_not_renewed(one: Replica) -> None:
    flight = await one.lead(ScriptedSource())
    flight.subscribe()
    await one.link.command("SET", one.key, "other:r9", "PX", 300)
    await asyncio.sleep(0.7)
    assert await one.owner() is None
    flight.unsubscribe()
    await flight.wait_settled()


async def test_a_flight_without_a_claim_cannot_be_found(one: Replica) -> None:
    flight = one.flights.lead(ScriptedSource.of(events(0)), fingerprint=FINGERPRINT, owner="")
    assert one.flights.find(FINGERPRINT) is None
    assert not one.flights.leads(FINGERPRINT)
    assert await read_all(flight) == events(0)


async def test_only_the_one_that_asks_leads(one: Replica, two: Replica) -> None:
    flight = await one.lead(ScriptedSource())
    following = two.follow()
    assert one.flights.leads(FINGERPRINT)
    assert two.flights.find(FINGERPRINT) is following
    assert not two.flights.leads(FINGERPRINT)
    assert (one.flights.owner_name("r"), one.flights.is_own("one:r"), one.flights.is_own("oneself:r")) == (
        "one:r",
        True,
        False,
    )
    for each in (following, flight):
        each.subscribe()
        each.unsubscribe()
        await each.wait_settled()


async def test_a_flight_that_was_given_up_is_found_no_more(one: Replica) -> None:
    flight = await one.lead(ScriptedSource())
    flight.subscribe()
    assert one.flights.find(FINGERPRINT) is flight
    flight.unsubscribe()
    assert one.flights.find(FINGERPRINT) is None, "from this very moment"
    assert not one.flights.leads(FINGERPRINT)
    await flight.wait_settled()


async def test_a_request_for_a_flight_that_is_gone_is_answered_with_lost(one: Replica, two: Replica) -> None:
    assert not one.flights.leads(FINGERPRINT)
    two.replacement = ScriptedSource.of(events(0))
    begun = asyncio.get_running_loop().time()
    assert await read_all(two.follow()) == events(0)
    assert asyncio.get_running_loop().time() - begun < 0.9, "at once, not after a silence"


async def test_a_flight_that_is_being_given_up_is_gone_for_followers(one: Replica, two: Replica) -> None:
    source = ScriptedSource()
    source.may_release.clear()
    source.begin()
    source.add_events(events(0))
    leading = await one.lead(source)
    leading.subscribe()
    await leading.head()
    await leading.event(0)
    leading.unsubscribe()
    two.replacement = ScriptedSource.of(events(0, 1))
    assert await read_all(two.follow()) == events(0, 1), "not half of the one that was given up"
    source.may_release.set()
    await leading.wait_settled()


async def test_a_leader_that_let_go_but_holds_its_lease_is_waited_for(one: Replica, two: Replica) -> None:
    await two.link.command("SET", two.key, "one:r1", "PX", 1000)
    assert not one.flights.leads(FINGERPRINT)
    two.replacement = ScriptedSource.of(events(0))
    assert await read_all(two.follow()) == events(0)
    assert 3 <= two.takeover_count < 10, "neither given up nor retried all the time"


async def test_closing_waits_for_what_was_given_up_to_be_accounted_for(
    clean_stores: StoreUrls, redis_prefix: str
) -> None:
    process = Replica(clean_stores, redis_prefix, "closing")
    await process.start()
    source = ScriptedSource()
    source.may_release.clear()
    flight = await process.lead(source)
    flight.subscribe()
    await run_ready_tasks()
    flight.unsubscribe()
    await run_ready_tasks()
    closing = asyncio.create_task(process.flights.close())
    await run_ready_tasks()
    assert not closing.done()
    source.may_release.set()
    await closing
    assert source.abandon_count == 1
    await process.link.close()
