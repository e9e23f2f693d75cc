"""Two processes, one upstream call: whoever asks second hears the first one's answer, whatever happens to the first.

Two `Flights` on one Redis are two processes in all but memory.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.coalescing.scripted import HEAD, Scripted, event, events, heard, settled, uncomplaining
from tests.eventually import PATIENCE_SECONDS, until
from tidegate.coalescing.flight import Flight, Source
from tidegate.coalescing.registry import Flights
from tidegate.core.clock import SystemClock
from tidegate.core.errors import FlightLost, RateLimited, TruncatedStream, UpstreamWords
from tidegate.core.values import AnswerHead
from tidegate.storage.embedded import Stores
from tidegate.storage.redis import RedisLink

LEASE = 1.0
"""Seconds."""
PRINT = "f" * 40
Reopening = Callable[[AnswerHead | None], Awaitable[Source | str]]


class Process:
    """One process's flights, on a link of its own, with what the gate would do for it."""

    def __init__(self, stores: Stores, prefix: str, name: str) -> None:
        self.link = RedisLink(stores.redis_url, timeout=2.0, clock=SystemClock())
        self.flights = Flights(self.link, prefix=prefix, process=name, lease_seconds=LEASE)
        self.key = f"{{{prefix}}}:flight:{PRINT}"
        self.reopened = 0
        self.again: Source | None = None
        """What this process asks with, once the claim is free."""

    async def start(self) -> None:
        """Connect."""
        await self.link.start()
        await self.flights.start()

    async def stop(self) -> None:
        """Let go of everything."""
        await self.flights.close()
        await self.link.close()

    async def lead(self, source: Source, request: str = "r1") -> Flight:
        """Claim the flight as the gate does, and ask."""
        owner = self.flights.owner(request)
        await self.link.command("SET", self.key, owner, "PX", int(LEASE * 1000))
        return self.flights.lead(source, fingerprint=PRINT, owner=owner)

    async def settle(self) -> None:
        """End the claim as the gate does."""
        await self.link.command("DEL", self.key)

    async def owner(self) -> str | None:
        """Who holds the claim."""
        reply = await self.link.command("GET", self.key)
        return reply.decode() if reply else None

    def follow(self, owner: str = "one:r1") -> Flight:
        """Join the flight of another, or the one here that repeats it."""
        return self.flights.find(PRINT) or self.flights.follow(PRINT, owner, reopen=self._reopen)

    async def _reopen(self, _: AnswerHead | None) -> Source | str:
        self.reopened += 1
        name = self.flights.owner("again")
        if not await self.link.command("SET", self.key, name, "NX", "PX", int(LEASE * 1000)):
            return await self.owner() or "gone:r0"
        assert self.again is not None, "nobody was to go on"
        self.flights.own(PRINT, name)
        return self.again


@pytest.fixture(autouse=True)
async def _no_complaints() -> AsyncIterator[None]:
    async with uncomplaining():
        yield


@pytest.fixture
async def one(clean_stores: Stores, redis_prefix: str) -> AsyncIterator[Process]:
    process = Process(clean_stores, redis_prefix, "one")
    await process.start()
    yield process
    await process.stop()


@pytest.fixture
async def two(clean_stores: Stores, redis_prefix: str) -> AsyncIterator[Process]:
    process = Process(clean_stores, redis_prefix, "two")
    await process.start()
    yield process
    await process.stop()


async def crash(process: Process) -> None:
    """It goes without a word: no goodbye, no renewal, nobody hears its mailbox."""
    await process.flights.close()
    await process.link.close()


async def test_a_follower_hears_the_leader_live(one: Process, two: Process) -> None:
    source = Scripted()
    leading = asyncio.create_task(heard(await one.lead(source)))
    following = two.follow()
    following.board()
    source.begin()
    assert await following.opened() == HEAD
    for number in range(5):
        source.say(events(number))
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await following.event(number) == event(number), "before the next one is said"
    source.end(cost=1234)
    assert await following.event(5) is None
    assert following.cost_nanos == 1234, "what it saved"
    assert await leading == events(*range(5))
    assert (source.opens, two.reopened) == (1, 0)
    following.leave()


async def test_who_follows_late_hears_it_from_the_start(one: Process, two: Process) -> None:
    source = Scripted()
    source.begin()
    source.say(events(0, 1, 2))
    leading = await one.lead(source)
    leader = asyncio.create_task(heard(leading))
    await until(lambda: len(leading.events) == 3)
    follower = asyncio.create_task(heard(two.follow()))
    await until(lambda: "1 relayed" in repr(one.flights))
    source.say(events(3))
    source.end()
    assert await follower == await leader == events(0, 1, 2, 3)


async def test_followers_in_one_process_share_one_relay(one: Process, two: Process) -> None:
    source = Scripted()
    source.begin()
    leader = asyncio.create_task(heard(await one.lead(source)))
    followers = [asyncio.create_task(heard(two.follow())) for _ in range(20)]
    await until(lambda: "1 relayed" in repr(one.flights))
    assert repr(two.flights) == "<Flights: 1 on their way, 0 owned, 0 relayed>"
    source.say(events(0))
    source.end()
    assert await asyncio.gather(leader, *followers) == [events(0)] * 21
    await until(lambda: repr(one.flights) == "<Flights: 0 on their way, 0 owned, 0 relayed>")
    assert repr(two.flights) == "<Flights: 0 on their way, 0 owned, 0 relayed>"


async def test_an_error_travels_with_all_that_is_known_of_it(one: Process, two: Process) -> None:
    source = Scripted()
    leader = asyncio.create_task(heard(await one.lead(source)))
    follower = asyncio.create_task(heard(two.follow()))
    await until(lambda: "1 relayed" in repr(one.flights))
    words = UpstreamWords(status=429, type="tokens", code="rate_limit_exceeded", message="Slow.", request_id="req_9")
    source.fail(RateLimited("Slow.", kind="tokens", retry_after=7.5, words=words))

    [there, here] = await asyncio.gather(leader, follower, return_exceptions=True)

    assert isinstance(there, RateLimited)
    assert isinstance(here, RateLimited)
    assert (here.message, here.retry_after, here.words) == ("Slow.", 7.5, words)
    assert two.reopened == 0, "a failed answer is an answer"


async def test_an_answer_that_breaks_off_breaks_off_for_followers_too(one: Process, two: Process) -> None:
    source = Scripted()
    source.begin()
    source.say(events(0))
    leader = asyncio.create_task(heard(await one.lead(source)))
    following = two.follow()
    following.board()
    await following.opened()
    assert await following.event(0) == event(0)
    source.fail(TruncatedStream())
    with pytest.raises(TruncatedStream):
        await following.event(1)
    following.leave()
    await asyncio.gather(leader, return_exceptions=True)


async def test_the_leaders_caller_may_leave_while_somebody_follows(one: Process, two: Process) -> None:
    source = Scripted()
    source.begin()
    leading = await one.lead(source)
    leading.board()
    follower = asyncio.create_task(heard(two.follow()))
    await until(lambda: "2 aboard" in repr(leading))
    leading.leave()
    await asyncio.sleep(2.5)  # the follower's silence clock rings twice: it asks again, and the relay is begun anew
    source.say(events(0))
    source.end()
    assert await follower == events(0)
    assert (source.abandoned, two.reopened) == (0, 0)


async def test_the_last_follower_to_leave_lets_the_leader_go(one: Process, two: Process) -> None:
    source = Scripted()
    source.begin()
    leading = await one.lead(source)
    leading.board()
    followers = [asyncio.create_task(heard(two.follow())) for _ in range(2)]
    await until(lambda: "2 aboard" in repr(leading))
    leading.leave()

    followers[0].cancel()
    await asyncio.gather(followers[0], return_exceptions=True)
    await settled()
    assert "1 aboard" in repr(leading)
    followers[1].cancel()
    await asyncio.gather(followers[1], return_exceptions=True)

    await until(lambda: source.abandoned == 1)
    await until(lambda: repr(one.flights) == "<Flights: 0 on their way, 0 owned, 0 relayed>")


@pytest.mark.parametrize("said", [0, 2])
async def test_when_the_leader_dies_a_follower_goes_on_seamlessly(one: Process, two: Process, said: int) -> None:
    source = Scripted()
    source.begin()
    leading = await one.lead(source)
    leading.board()
    following = two.follow()
    following.board()
    assert await following.opened() == HEAD
    if said:
        source.say(events(*range(said)))
        assert await following.event(said - 1) == event(said - 1)
        leading.leave()
    two.again = Scripted.of([e.replace(b'"a"', b'"b"') for e in events(0, 1, 2)], events(3), cost=50)

    begun = asyncio.get_running_loop().time()
    await crash(one)

    assert [await following.event(index) for index in range(5)][2:] == [
        event(2).replace(b'"a"', b'"b"'), event(3), None
    ]  # fmt: skip
    assert asyncio.get_running_loop().time() - begun < LEASE + 2
    assert (two.reopened, following.cost_nanos) == (1, 50)
    following.leave()


async def test_a_leader_that_dies_before_it_said_a_word_is_replaced(one: Process, two: Process) -> None:
    await one.lead(Scripted())
    follower = asyncio.create_task(heard(two.follow()))
    await until(lambda: "1 relayed" in repr(one.flights))
    two.again = again = Scripted.of(events(0, 1))
    await crash(one)
    assert await follower == events(0, 1)
    assert again.opens == 1


async def test_a_new_source_that_says_something_else_cannot_continue_the_answer(one: Process, two: Process) -> None:
    source = Scripted()
    source.begin()
    source.say(events(0))
    await one.lead(source)
    following = two.follow()
    following.board()
    await following.opened()
    assert await following.event(0) == event(0)
    two.again = other = Scripted.of(events(7, 8))
    await crash(one)
    with pytest.raises(FlightLost):
        await following.event(1)
    assert other.abandoned == 1, "and is not left running"
    following.leave()


async def test_a_follower_that_took_over_is_followed_in_turn(
    one: Process, two: Process, clean_stores: Stores, redis_prefix: str
) -> None:
    three = Process(clean_stores, redis_prefix, "three")
    await three.start()
    await one.lead(Scripted())
    followers = [asyncio.create_task(heard(process.follow())) for process in (two, three)]
    await until(lambda: "2 relayed" in repr(one.flights))
    two.again = three.again = again = Scripted()

    await crash(one)
    await until(lambda: two.reopened + three.reopened > 0)
    again.begin()
    again.say(events(0))
    again.end()

    assert await asyncio.gather(*followers) == [events(0)] * 2
    assert again.opens == 1
    await three.stop()


async def test_a_claim_is_kept_alive_as_long_as_the_flight(one: Process) -> None:
    source = Scripted()
    flight = await one.lead(source)
    flight.board()
    await asyncio.sleep(1.6 * LEASE)
    assert await one.owner() == "one:r1"
    source.begin()
    source.end()
    await flight.opened()
    assert await flight.event(0) is None
    await asyncio.sleep(1.3 * LEASE)
    assert await one.owner() is None
    flight.leave()


async def test_a_claim_that_passed_to_another_is_not_renewed(one: Process) -> None:
    flight = await one.lead(Scripted())
    flight.board()
    await one.link.command("SET", one.key, "other:r9", "PX", 300)
    await asyncio.sleep(0.7)
    assert await one.owner() is None
    flight.leave()
    await flight.drained()


async def test_a_flight_nobody_claimed_is_found_by_nobody(one: Process) -> None:
    flight = one.flights.lead(Scripted.of(events(0)), fingerprint=PRINT, owner="")
    assert one.flights.find(PRINT) is None
    assert not one.flights.leads(PRINT)
    assert await heard(flight) == events(0)


async def test_only_the_one_that_asks_leads(one: Process, two: Process) -> None:
    flight = await one.lead(Scripted())
    following = two.follow()
    assert one.flights.leads(PRINT)
    assert two.flights.find(PRINT) is following
    assert not two.flights.leads(PRINT)
    assert (one.flights.owner("r"), one.flights.is_own("one:r"), one.flights.is_own("oneself:r")) == (
        "one:r",
        True,
        False,
    )
    for each in (following, flight):
        each.board()
        each.leave()
        await each.drained()


async def test_a_flight_that_was_given_up_is_found_no_more(one: Process) -> None:
    flight = await one.lead(Scripted())
    flight.board()
    assert one.flights.find(PRINT) is flight
    flight.leave()
    assert one.flights.find(PRINT) is None, "from this very moment"
    assert not one.flights.leads(PRINT)
    await flight.drained()


async def test_who_asks_for_a_flight_that_is_gone_is_told_so(one: Process, two: Process) -> None:
    assert not one.flights.leads(PRINT)
    two.again = Scripted.of(events(0))
    begun = asyncio.get_running_loop().time()
    assert await heard(two.follow()) == events(0)
    assert asyncio.get_running_loop().time() - begun < 0.9, "at once, not after a silence"


async def test_a_flight_that_is_being_given_up_is_gone_for_followers(one: Process, two: Process) -> None:
    source = Scripted()
    source.letting_go.clear()
    source.begin()
    source.say(events(0))
    leading = await one.lead(source)
    leading.board()
    await leading.opened()
    await leading.event(0)
    leading.leave()
    two.again = Scripted.of(events(0, 1))
    assert await heard(two.follow()) == events(0, 1), "not half of the one that was given up"
    source.letting_go.set()
    await leading.drained()


async def test_a_leader_that_let_go_but_holds_its_lease_is_waited_for(one: Process, two: Process) -> None:
    await two.link.command("SET", two.key, "one:r1", "PX", 1000)
    assert not one.flights.leads(PRINT)
    two.again = Scripted.of(events(0))
    assert await heard(two.follow()) == events(0)
    assert 3 <= two.reopened < 10, "neither given up nor asked for all the time"


async def test_closing_waits_for_what_was_given_up_to_be_accounted_for(clean_stores: Stores, redis_prefix: str) -> None:
    process = Process(clean_stores, redis_prefix, "closing")
    await process.start()
    source = Scripted()
    source.letting_go.clear()
    flight = await process.lead(source)
    flight.board()
    await settled()
    flight.leave()
    await settled()
    closing = asyncio.create_task(process.flights.close())
    await settled()
    assert not closing.done()
    source.letting_go.set()
    await closing
    assert source.abandoned == 1
    await process.link.close()
