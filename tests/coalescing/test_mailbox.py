"""Messages arrive unchanged in the other process, and the sender knows whether a process listens."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.eventually import PATIENCE_SECONDS, wait_until
from tidegate.coalescing.mailbox import FollowMessage, Mailbox, RelayMessage
from tidegate.core.clock import SystemClock
from tidegate.core.errors import RedisUnavailable, UpstreamErrorDetail, UpstreamRateLimited, unpack_error
from tidegate.core.values import AnswerHead
from tidegate.storage.redis import RedisLink

HEAD = AnswerHead(stream=True, served_by="openai/m", echo='{"user":"ada"}')
REQUEST = FollowMessage(fingerprint="f" * 40, follower="f1", process="two", index=3)


class MailboxProcess:
    """The mailbox of one process, and the messages it received."""

    def __init__(self, link: RedisLink, prefix: str, process: str, silence: float = 5.0) -> None:
        self.mailbox = Mailbox(link, prefix=prefix, process=process, silence=silence)
        self.follow_messages: list[FollowMessage] = []
        self.replies: list[RelayMessage] = []

    async def open(self) -> None:
        """Begin to receive, replies to `f1` included."""
        await self.mailbox.start(self.follow_messages.append)
        self.mailbox.register("f1", self.replies.append)


@pytest.fixture
async def one(redis_link: RedisLink, redis_prefix: str) -> AsyncIterator[MailboxProcess]:
    desk = MailboxProcess(redis_link, redis_prefix, "one")
    await desk.open()
    yield desk
    await desk.mailbox.close()


@pytest.fixture
async def two(redis_link: RedisLink, redis_prefix: str) -> AsyncIterator[MailboxProcess]:
    desk = MailboxProcess(redis_link, redis_prefix, "two", silence=0.1)
    await desk.open()
    yield desk
    await desk.mailbox.close()


async def test_a_request_reaches_the_owner_only(one: MailboxProcess, two: MailboxProcess) -> None:
    assert await two.mailbox.request_events(REQUEST, "one:r1")
    await wait_until(lambda: one.follow_messages == [REQUEST])
    assert two.follow_messages == []


async def test_who_is_not_there_does_not_hear(two: MailboxProcess) -> None:
    assert not await two.mailbox.request_events(REQUEST, "gone:r1")
    assert not await two.mailbox.send_events(msgspec.structs.replace(REQUEST, process="gone"), 0, [b"x"])


async def test_every_kind_of_reply_arrives_unchanged_and_in_order(one: MailboxProcess, two: MailboxProcess) -> None:
    error = UpstreamRateLimited(
        "Slow.", retry_after=2.5, upstream_detail=UpstreamErrorDetail(status=429, code="x", message="Slow.")
    )
    assert await one.mailbox.send_events(REQUEST, 0, [], head=HEAD)
    assert await one.mailbox.send_events(REQUEST, 3, [b"data: 1\n\n", b"\x00\xff"], cost_nanos=7)
    await one.mailbox.send_end(REQUEST, 5, 1234)
    await one.mailbox.send_lost(REQUEST)
    await one.mailbox.send_error(REQUEST, error)

    await wait_until(lambda: len(two.replies) == 5)
    assert two.replies[:4] == [
        RelayMessage(follower="f1", head=HEAD),
        RelayMessage(follower="f1", index=3, events=[b"data: 1\n\n", b"\x00\xff"], cost_nanos=7),
        RelayMessage(follower="f1", index=5, ended=True, cost_nanos=1234),
        RelayMessage(follower="f1", lost=True),
    ]
    again = unpack_error(two.replies[4].failed or {})
    assert (type(again), again.message, again.retry_after, again.upstream_detail) == (
        UpstreamRateLimited,
        "Slow.",
        2.5,
        error.upstream_detail,
    )


async def test_only_the_follower_that_is_meant_hears_and_only_as_long_as_it_wants(
    one: MailboxProcess, two: MailboxProcess
) -> None:
    others: list[RelayMessage] = []
    two.mailbox.register("f2", others.append)
    await one.mailbox.send_events(msgspec.structs.replace(REQUEST, follower="f2"), 0, [b"x"])
    await one.mailbox.send_events(msgspec.structs.replace(REQUEST, follower="f3"), 0, [b"nobody"])
    await wait_until(lambda: len(others) == 1)
    two.mailbox.unregister("f2")
    two.mailbox.unregister("f2")
    await one.mailbox.send_events(msgspec.structs.replace(REQUEST, follower="f2"), 1, [b"y"])
    await one.mailbox.send_events(REQUEST, 0, [b"z"])
    await wait_until(lambda: len(two.replies) == 1)
    assert len(others) == 1


@pytest.mark.parametrize(
    "junk",
    [
        b"", b"junk", b"\xc1", b"\x93\x01", b"\xff" * 9, msgspec.msgpack.encode({"type": "follow"}),
        msgspec.msgpack.encode({"type": "other"}), b"\x81\xa4type\xa2\xff\xfe", msgspec.msgpack.encode([1]),
        msgspec.msgpack.encode(REQUEST).replace(b"f1", b"\xff\xfe"),
    ],
)  # fmt: skip
async def test_a_message_that_cannot_be_decoded_is_skipped(
    one: MailboxProcess, two: MailboxProcess, redis_link: RedisLink, redis_prefix: str, junk: bytes
) -> None:
    await redis_link.command("PUBLISH", f"{{{redis_prefix}}}:process:one", junk)
    assert await two.mailbox.request_events(REQUEST, "one:r1")
    await wait_until(lambda: one.follow_messages == [REQUEST])


@given(st.binary(max_size=60))
def test_no_message_is_understood_by_chance(data: bytes) -> None:
    decoder = msgspec.msgpack.Decoder(FollowMessage | RelayMessage)
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        decoder.decode(data)


async def test_who_holds_the_lease_is_known(two: MailboxProcess, redis_link: RedisLink, redis_prefix: str) -> None:
    assert await two.mailbox.owner_of("f" * 40) is None
    await redis_link.command("SET", f"{{{redis_prefix}}}:flight:{'f' * 40}", "one:r1", "PX", 60_000)
    assert await two.mailbox.owner_of("f" * 40) == "one:r1"


async def test_a_long_silence_is_no_deafness(one: MailboxProcess, two: MailboxProcess) -> None:
    await asyncio.sleep(1.0)  # ten times what `two` takes for a silence
    await one.mailbox.send_events(REQUEST, 0, [b"x"])
    await wait_until(lambda: len(two.replies) == 1)


async def test_a_connection_that_was_cut_is_made_again(
    one: MailboxProcess, two: MailboxProcess, redis_link: RedisLink
) -> None:
    await redis_link.command("CLIENT", "KILL", "TYPE", "pubsub")

    async def heard_again() -> None:
        while not two.replies:
            await one.mailbox.send_events(REQUEST, 0, [b"x"])
            await asyncio.sleep(0.05)

    await asyncio.wait_for(heard_again(), PATIENCE_SECONDS)


async def test_without_redis_asking_and_telling_are_refused_and_good_byes_are_not(redis_url: str) -> None:
    closed = RedisLink(redis_url, timeout=0.2, clock=SystemClock())
    mailbox = Mailbox(closed, prefix="p", process="x")
    with pytest.raises(RedisUnavailable):
        await mailbox.request_events(REQUEST, "one:r1")
    with pytest.raises(RedisUnavailable):
        await mailbox.send_events(REQUEST, 0, [])
    with pytest.raises(RedisUnavailable):
        await mailbox.owner_of("f")
    await mailbox.send_lost(REQUEST)
    await mailbox.send_error(REQUEST, UpstreamRateLimited())
    await mailbox.close()


async def test_a_message_that_its_receiver_cannot_handle_is_logged_once_and_the_next_one_arrives(
    one: MailboxProcess, redis_link: RedisLink, redis_prefix: str
) -> None:
    received: list[FollowMessage] = []

    def serve(message: FollowMessage) -> None:
        received.append(message)
        if len(received) == 1:
            raise ZeroDivisionError

    mailbox = Mailbox(redis_link, prefix=redis_prefix, process="three")
    with capture_logs() as logs:
        await mailbox.start(serve)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(received) < 2:
                await one.mailbox.request_events(REQUEST, "three:r1")
                await asyncio.sleep(0.05)
        await mailbox.close()
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["periodic task fails and will retry"]
