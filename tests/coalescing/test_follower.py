"""A follower repeats the owner's events, whichever messages are lost, and notices when the owner has died.

The test plays the owner: it reads the follower's requests and replies to them.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.coalescing.relayed import FINGERPRINT, FakeOwner, FollowerProcess
from tests.coalescing.scripted import HEAD, ScriptedSource, events, no_loop_errors, read_all
from tests.eventually import PATIENCE_SECONDS, wait_until
from tidegate.coalescing.flight import Flight, FlightSource
from tidegate.coalescing.mailbox import FollowMessage
from tidegate.coalescing.registry import FlightRegistry
from tidegate.core.clock import SystemClock
from tidegate.core.errors import FlightLost, NotCached, UpstreamRateLimited
from tidegate.core.values import AnswerHead
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.redis import RedisLink
from tidegate.wire import sse

WHOLE = AnswerHead(stream=False, served_by="openai/m")


@pytest.fixture(autouse=True)
async def _no_complaints() -> AsyncIterator[None]:
    async with no_loop_errors():
        yield


@pytest.fixture
async def owner(redis_link: RedisLink, redis_prefix: str) -> AsyncIterator[FakeOwner]:
    owner = FakeOwner(redis_link, redis_prefix)
    await owner.start()
    yield owner
    await owner.mailbox.close()


@pytest.fixture
async def two(redis_link: RedisLink, redis_prefix: str) -> AsyncIterator[FollowerProcess]:
    following = FollowerProcess(redis_link, redis_prefix)
    await following.start()
    yield following
    await following.mailbox.close()


class NoTakeover:
    """Implements `Takeover` where the owner stays alive."""

    async def take_over(self, head: AnswerHead | None) -> FlightSource | str:
        """Fail."""
        raise AssertionError(f"the leader is alive: {head}")


async def opened(owner: FakeOwner, two: FollowerProcess, head: AnswerHead = HEAD) -> FollowMessage:
    """Have the follower open, and reply with the head; return its first request."""
    opening = asyncio.create_task(two.follower.open())
    message = await owner.message(0)
    await owner.send_head(message, head)
    assert await opening == head
    return message


async def test_a_follower_requests_once_from_the_start_and_repeats_the_events(
    owner: FakeOwner, two: FollowerProcess
) -> None:
    message = await opened(owner, two)
    assert (message.fingerprint, message.process, message.index, message.wants) == (FINGERPRINT, "two", 0, True)
    await owner.send_events(message, 0, events(0, 1))
    assert await two.follower.more() == events(0, 1)
    await owner.send_events(message, 2, events(2))
    assert await two.follower.more() == events(2)
    await owner.send_events(message, 3, events(3), 99)
    assert (await two.follower.more(), two.follower.cost_nanos) == (events(3), 99), "known before the end"
    await owner.mailbox.send_end(message, 4, 99)
    assert await two.follower.more() == []
    assert (two.follower.cost_nanos, len(owner.messages), two.heads) == (99, 1, [])


async def test_a_lost_message_is_requested_again(owner: FakeOwner, two: FollowerProcess) -> None:
    message = await opened(owner, two)
    await owner.send_events(message, 0, events(0))
    assert await two.follower.more() == events(0)
    await owner.send_events(message, 2, events(2))  # and 1 was lost
    more = asyncio.create_task(two.follower.more())
    assert (await owner.message(1)).index == 1
    await owner.send_events(message, 1, events(1, 2))
    assert await more == events(1, 2)


async def test_an_end_that_comes_too_early_is_a_gap_too(owner: FakeOwner, two: FollowerProcess) -> None:
    message = await opened(owner, two)
    await owner.mailbox.send_end(message, 1, 99)
    more = asyncio.create_task(two.follower.more())
    assert (await owner.message(1)).index == 0
    await owner.send_events(message, 0, events(0))
    assert await more == events(0)


async def test_events_that_arrive_twice_are_given_once(owner: FakeOwner, two: FollowerProcess) -> None:
    message = await opened(owner, two)
    await owner.send_events(message, 0, events(0, 1))
    assert await two.follower.more() == events(0, 1)
    await owner.send_head(message, HEAD)
    await owner.send_events(message, 0, events(0))
    await owner.send_events(message, 0, events(0, 1, 2))
    assert await two.follower.more() == events(2)


async def test_a_lost_head_is_requested_again(owner: FakeOwner, two: FollowerProcess) -> None:
    opening = asyncio.create_task(two.follower.open())
    message = await owner.message(0)
    await owner.send_events(message, 0, events(0))
    again = await owner.message(1)  # after a second of silence
    await owner.send_head(again, HEAD)
    assert await opening == HEAD
    await owner.send_events(again, 0, events(0))
    assert await two.follower.more() == events(0)


async def test_a_silent_owner_with_a_lease_is_asked_again_and_not_replaced(
    owner: FakeOwner, two: FollowerProcess
) -> None:
    opening = asyncio.create_task(two.follower.open())
    await owner.message(2)
    assert two.heads == []
    await owner.send_head(owner.messages[-1], HEAD)
    assert await opening == HEAD


async def test_a_failure_is_the_answer(owner: FakeOwner, two: FollowerProcess) -> None:
    opening = asyncio.create_task(two.follower.open())
    await owner.mailbox.send_error(await owner.message(0), UpstreamRateLimited("Slow.", retry_after=3))
    with pytest.raises(UpstreamRateLimited, match="Slow"):
        await opening
    assert two.heads == []


async def test_waiting_may_be_interrupted_by_heartbeats_without_loss(owner: FakeOwner, two: FollowerProcess) -> None:
    message = await opened(owner, two)
    for number in range(5):
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(two.follower.more(), 0.002)
        await owner.send_events(message, number, events(number))
        assert await two.follower.more() == events(number)


async def test_a_lease_that_passed_to_another_is_followed_there(
    owner: FakeOwner, two: FollowerProcess, redis_link: RedisLink, redis_prefix: str
) -> None:
    heir = FakeOwner(redis_link, redis_prefix, "three")
    await heir.start()
    message = await opened(owner, two)
    await owner.send_events(message, 0, events(0))
    assert await two.follower.more() == events(0)
    await two.link.command("SET", two.key, "three:r7", "PX", 60_000)
    two.replacements = ["three:r7"]
    more = asyncio.create_task(two.follower.more())
    message = await heir.message(0)
    assert (message.index, two.heads) == (1, [HEAD])
    await heir.send_events(message, 1, events(1))
    assert await more == events(1)
    await heir.mailbox.close()


async def test_an_owner_that_lost_the_flight_is_left_at_once(owner: FakeOwner, two: FollowerProcess) -> None:
    message = await opened(owner, two)
    await owner.mailbox.send_lost(message)
    two.replacements = [ScriptedSource.of(events(0), cost=5)]
    assert [await two.follower.more(), await two.follower.more()] == [events(0), []]
    assert (two.follower.cost_nanos, two.heads) == (5, [HEAD])


async def test_owners_that_all_die_are_not_followed_for_ever(two: FollowerProcess) -> None:
    await two.link.command("DEL", two.key)
    two.replacements = [f"dead-{number}:r" for number in range(50)]
    with pytest.raises(FlightLost):
        await two.follower.open()
    assert len(two.heads) < 20


async def test_where_there_is_nothing_to_go_on_with_that_is_the_answer(owner: FakeOwner, two: FollowerProcess) -> None:
    await owner.mailbox.close()
    await two.link.command("DEL", two.key)
    two.replacements = [NotCached()]
    with pytest.raises(NotCached):
        await two.follower.open()


async def test_a_heartbeat_does_not_interrupt_the_call_that_takes_over(owner: FakeOwner, two: FollowerProcess) -> None:
    message = await opened(owner, two)
    await owner.mailbox.send_lost(message)
    two.may_take_over.clear()
    again = ScriptedSource.of(events(0))
    two.replacements = [again]
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(two.follower.more(), 0.02)
    two.may_take_over.set()
    assert await two.follower.more() == events(0)
    assert (again.opens, len(two.heads)) == (1, 1)


async def test_leaving_while_another_source_is_being_found_leaves_nothing_behind(
    owner: FakeOwner, two: FollowerProcess
) -> None:
    message = await opened(owner, two)
    await owner.send_events(message, 0, events(0))
    assert await two.follower.more() == events(0)
    await owner.mailbox.send_lost(message)
    never = ScriptedSource()
    two.replacements = [never]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(two.follower.more(), 0.1)  # it opens, and nothing comes
    await two.follower.abandon()
    assert never.abandon_count == 1


async def test_leaving_tells_the_owner(owner: FakeOwner, two: FollowerProcess) -> None:
    await opened(owner, two)
    await two.follower.abandon()
    good_bye = await owner.message(1)
    assert not good_bye.wants


async def test_leaving_after_taking_over_ends_the_new_call(owner: FakeOwner, two: FollowerProcess) -> None:
    message = await opened(owner, two)
    await owner.mailbox.send_lost(message)
    again = ScriptedSource()
    again.begin()
    again.add_events(events(0))
    two.replacements = [again]
    assert await two.follower.more() == events(0)
    await two.follower.abandon()
    assert again.abandon_count == 1


async def test_an_answer_cannot_go_on_in_another_form(owner: FakeOwner, two: FollowerProcess) -> None:
    message = await opened(owner, two)
    await owner.mailbox.send_lost(message)
    other = ScriptedSource.of([b"{}"], head=WHOLE)
    two.replacements = [other]
    with pytest.raises(FlightLost):
        await two.follower.more()
    assert other.abandon_count == 1


async def test_a_whole_answer_goes_on_whole(owner: FakeOwner, two: FollowerProcess) -> None:
    message = await opened(owner, two, WHOLE)
    await owner.mailbox.send_lost(message)
    two.replacements = [ScriptedSource.of([b'{"id":"r"}'], head=WHOLE)]
    assert await two.follower.more() == [b'{"id":"r"}']


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (b'{"id":"a","n":1}', b'{"id":"b","n":1}', True),
        (b'{"id":"a","n":1}', b'{"n":1, "id":"b"}', True),
        (b'{"created":1,"x":[{"id":"1"}]}', b'{"created":2,"x":[{"id":"2"}]}', True),
        (b'{"item":{"call_id":"1"}}', b'{"item":{"call_id":"2"}}', True),
        (b'{"obfuscation":"aa"}', b'{"obfuscation":"b"}', True),
        (b'{"n":1}', b'{"n":2}', False),
        (b'{"model":"a"}', b'{"model":"b"}', False),
        (b'{"delta":"id"}', b'{"delta":"di"}', False),
        (b"[DONE]", b"[DONE]", True),
        (b"[DONE]", b"{}", False),
    ],
)
async def test_two_answers_say_the_same_where_only_their_names_differ(
    owner: FakeOwner, two: FollowerProcess, one: bytes, other: bytes, same: bool
) -> None:
    message = await opened(owner, two)
    await owner.send_events(message, 0, [sse.encode(one)])
    await two.follower.more()
    await owner.mailbox.send_lost(message)
    two.replacements = [ScriptedSource.of([sse.encode(other)], events(1))]
    if same:
        assert await two.follower.more() == events(1)
    else:
        with pytest.raises(FlightLost):
            await two.follower.more()


async def test_an_answer_that_goes_on_keeps_the_words_it_began_with(owner: FakeOwner, two: FollowerProcess) -> None:
    def echo_event(user: str, number: int) -> bytes:
        return sse.encode(b'{"type":"x","n":%d,"response":{"user":"%s"}}' % (number, user.encode()), "x")

    message = await opened(owner, two, msgspec.structs.replace(HEAD, echo='{"user":"ada"}'))
    await owner.send_events(message, 0, [echo_event("ada", 0)])
    await two.follower.more()
    await owner.mailbox.send_lost(message)
    bobs = msgspec.structs.replace(HEAD, echo='{"user":"bob"}')
    two.replacements = [
        ScriptedSource.of([echo_event("bob", 0), echo_event("bob", 1)], [echo_event("bob", 2)], head=bobs)
    ]
    later = [await two.follower.more(), await two.follower.more()]
    assert b"bob" not in b"".join(later[0] + later[1])
    assert [b'"user":"ada"' in one for [one] in later] == [True, True]


async def test_without_redis_a_follower_goes_on_by_itself(
    clean_stores: StoreUrls, redis_prefix: str, owner: FakeOwner
) -> None:
    link = RedisLink(clean_stores.redis_url, timeout=2.0, clock=SystemClock())
    await link.start()
    two = FollowerProcess(link, redis_prefix)
    await two.start()
    message = await opened(owner, two)
    await owner.send_events(message, 0, events(0))
    assert await two.follower.more() == events(0)

    await two.mailbox.close()
    await link.close()
    two.replacements = [ScriptedSource.of(events(0, 1))]
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await two.follower.more() == events(1)


@pytest.fixture
def server(own_stores: StoreUrls, own_folder: Path) -> Iterator[int]:
    """The process of a Redis that may be frozen; thawed after the test."""
    assert own_stores.redis_url
    with embedded.running(own_folder):
        pid = int((own_folder / "redis" / "redis.pid").read_text())
        yield pid
        os.kill(pid, signal.SIGCONT)


async def test_a_redis_that_falters_in_the_middle_of_a_relay_costs_time_and_nothing_else(
    own_stores: StoreUrls, server: int
) -> None:
    links = [RedisLink(own_stores.redis_url, timeout=0.3, clock=SystemClock()) for _ in range(2)]
    one, two = (
        FlightRegistry(link, prefix="p", process=name, lease_seconds=30) for link, name in zip(links, "ab", strict=True)
    )
    for link, flights in zip(links, (one, two), strict=True):
        await link.start()
        await flights.start()
    await links[0].command("SET", f"{{p}}:flight:{FINGERPRINT}", "a:r1", "PX", 30_000)
    source = ScriptedSource()
    source.begin()

    leader = asyncio.create_task(read_all(one.lead(source, fingerprint=FINGERPRINT, owner="a:r1")))
    following: Flight = two.follow(FINGERPRINT, "a:r1", takeover=NoTakeover())
    follower = asyncio.create_task(read_all(following))
    source.add_events(events(0))
    await wait_until(lambda: len(following.events) == 1)

    os.kill(server, signal.SIGSTOP)
    source.add_events(events(1))
    await wait_until(lambda: "0 relayed" in repr(one))  # it noticed
    os.kill(server, signal.SIGCONT)
    await wait_until(lambda: len(following.events) == 2 and "1 relayed" in repr(one))  # it requested the events again
    source.add_events(events(2))
    source.end()

    assert await follower == await leader == events(0, 1, 2)
    for link, flights in zip(links, (one, two), strict=True):
        await flights.close()
        await link.close()
