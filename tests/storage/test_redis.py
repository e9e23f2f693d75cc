"""One connection serves everybody; a silent, absent or restarted Redis costs the timeout once at most."""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.eventually import PATIENCE_SECONDS, wait_until
from tests.failing_once import FailingOnce, failed_rounds
from tests.faults.proxy import Mode, proxy_before
from tests.storage.redis_servers import make_certificate, redis_server, tls_before
from tidegate.core.clock import SystemClock
from tidegate.core.errors import RedisUnavailable
from tidegate.core.events import Event, EventName
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.redis import RedisLink, Script

TIMEOUT = 0.3
SLACK_SECONDS = 10.0
"""The time that a busy machine may add. Waiting for Redis itself would never end."""


class AddOne(Script):
    """A script that only the tests use."""

    def __init__(self) -> None:
        self.name = "add_one"
        self.text = "return redis.call('INCRBY', KEYS[1], ARGV[1])"
        self.digest = "4c1fd2b7a0e2c1e4a8b0b4b5ac0f1a6f0c0d4f55"  # no super().__init__: Redis does not know this script


@pytest.fixture
async def own(own_stores: StoreUrls, server: int) -> AsyncIterator[RedisLink]:
    """A link with a short timeout to a Redis that may be frozen and killed."""
    assert server
    link = RedisLink(own_stores.redis_url, timeout=TIMEOUT, clock=SystemClock())
    await link.start()
    yield link
    await link.close()


def now() -> float:
    return asyncio.get_running_loop().time()


async def failure(link: RedisLink, *parts: str) -> tuple[str, float]:
    """Return the refusal's message, and the seconds it took."""
    started_at = now()
    with pytest.raises(RedisUnavailable) as refusal:
        await link.command(*parts)
    return refusal.value.message, now() - started_at


async def test_a_command_is_answered_in_raw(redis_link: RedisLink, redis_prefix: str) -> None:
    key = f"{redis_prefix}:raw"
    assert await redis_link.command("SET", key, b"\x00\xff") == b"OK"
    assert await redis_link.command("GET", key) == b"\x00\xff"
    assert await redis_link.command("GET", key + "?") is None
    assert await redis_link.command("MGET", key, key + "?") == [b"\x00\xff", None]


async def test_commands_that_are_pending_together_leave_in_one_write(own_stores: StoreUrls, server: int) -> None:
    assert server
    patient = RedisLink(own_stores.redis_url, timeout=5.0, clock=SystemClock())
    await patient.start()
    before = await patient.command("INFO", "stats")
    answers = await asyncio.gather(*(patient.command("ECHO", str(number)) for number in range(1000)))
    after = await patient.command("INFO", "stats")
    await patient.close()
    assert answers == [str(number).encode() for number in range(1000)], "each caller got its own answer"
    reads = [
        int(line.rpartition(b":")[2])
        for info in (before, after)
        for line in info.splitlines()
        if line.startswith(b"total_reads_processed")
    ]
    assert reads[1] - reads[0] < 20, "a thousand commands, a handful of reads"


async def test_one_refused_command_leaves_its_neighbours_answered(redis_link: RedisLink, redis_prefix: str) -> None:
    key = f"{redis_prefix}:text"
    outcomes = await asyncio.gather(
        redis_link.command("SET", key, "text"),
        redis_link.command("INCR", key),
        redis_link.command("GET", key),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [bytes, RedisUnavailable, bytes]


async def test_who_hangs_up_does_not_shift_the_answers(redis_link: RedisLink) -> None:
    first = asyncio.create_task(redis_link.command("ECHO", "first"))
    second = asyncio.create_task(redis_link.command("ECHO", "second"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == b"second"
    assert await redis_link.command("ECHO", "third") == b"third"


async def test_a_script_unknown_to_redis_is_sent_whole(redis_link: RedisLink, redis_prefix: str) -> None:
    key = f"{redis_prefix}:count"
    script = AddOne()
    assert await asyncio.gather(*(redis_link.run(script, [key], [2]) for _ in range(5))) == [2, 4, 6, 8, 10]


async def test_a_frozen_redis_is_given_up_within_the_timeout_then_at_once_and_heals(
    own: RedisLink, server: int
) -> None:
    os.kill(server, signal.SIGSTOP)
    words, took = await failure(own, "PING")
    assert "no answer within" in words
    assert TIMEOUT * 0.9 < took < TIMEOUT + SLACK_SECONDS
    assert not own.up
    refusals = [await failure(own, "PING") for _ in range(100)]
    assert sum(took for _, took in refusals) < 10 * TIMEOUT, "nobody waits for what is known to be silent"
    os.kill(server, signal.SIGCONT)
    await wait_until(lambda: own.up)
    assert await own.command("ECHO", "back") == b"back"


async def test_all_who_wait_on_a_frozen_redis_are_released_together(own: RedisLink, server: int) -> None:
    os.kill(server, signal.SIGSTOP)
    started_at = now()
    outcomes = await asyncio.gather(*(own.command("PING") for _ in range(500)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {RedisUnavailable}
    assert now() - started_at < TIMEOUT + SLACK_SECONDS


async def test_who_asks_just_before_the_silence_is_noticed_does_not_wait_the_whole_timeout(
    own: RedisLink, server: int
) -> None:
    os.kill(server, signal.SIGSTOP)
    first = asyncio.create_task(own.command("PING"))
    await asyncio.sleep(TIMEOUT / 2)
    _, took = await failure(own, "PING")
    assert took < TIMEOUT, "answers come in order: its own could not have come before the one overdue"
    with pytest.raises(RedisUnavailable):
        await first


async def test_a_redis_that_is_slower_than_the_timeout_is_left_alone_until_it_is_quick(
    own_stores: StoreUrls, server: int
) -> None:
    assert server
    happenings: list[Event] = []
    async with proxy_before(own_stores.redis_url) as (proxy, url):
        link = RedisLink(url, timeout=TIMEOUT, clock=SystemClock(), on_event=happenings.append)
        await link.start()
        await proxy.set(Mode.SLOW, seconds=1.5 * TIMEOUT)
        await failure(link, "PING")
        late = proxy.answers + 2
        await wait_until(lambda: proxy.answers >= late)
        assert not link.up, "late answers are no sign of health"
        assert (await failure(link, "PING"))[1] < TIMEOUT / 2
        await proxy.set(Mode.PASS)
        await wait_until(lambda: link.up)
        assert await link.command("ECHO", "back") == b"back"
        await link.close()
    assert [happening.name for happening in happenings] == [
        EventName.REDIS_BACK,
        EventName.REDIS_SILENT,
        EventName.REDIS_BACK,
    ]


async def test_an_error_in_answer_is_told_apart_from_silence(own_stores: StoreUrls, server: int) -> None:
    assert server
    happenings: list[Event] = []
    link = RedisLink(own_stores.redis_url, timeout=TIMEOUT, clock=SystemClock(), on_event=happenings.append)
    await link.start()
    assert "unknown command" in (await failure(link, "NONSENSE"))[0]
    assert link.up
    assert happenings == [Event(EventName.REDIS_BACK), Event(EventName.REDIS_REFUSED)]
    await link.close()


async def test_a_long_freeze_heals_too(own: RedisLink, server: int) -> None:
    os.kill(server, signal.SIGSTOP)
    await failure(own, "PING")
    await wait_until(lambda: repr(own).endswith("0 awaited>"))  # the silent connection was replaced
    os.kill(server, signal.SIGCONT)
    await wait_until(lambda: own.up)
    assert await own.command("ECHO", "back") == b"back"


async def test_a_killed_redis_is_refused_at_once_and_its_restart_heals(
    own: RedisLink, server: int, own_folder: Path
) -> None:
    os.kill(server, signal.SIGKILL)
    await wait_until(lambda: not own.up)
    assert (await failure(own, "PING"))[1] < TIMEOUT
    with embedded.running(own_folder):
        await wait_until(lambda: own.up)
        assert await own.command("ECHO", "back") == b"back"


async def test_those_who_wait_when_the_connection_breaks_are_told(own: RedisLink, server: int) -> None:
    os.kill(server, signal.SIGSTOP)
    waiting = [asyncio.create_task(own.command("PING")) for _ in range(10)]
    await asyncio.sleep(0)
    os.kill(server, signal.SIGKILL)
    started_at = now()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {RedisUnavailable}
    assert now() - started_at < TIMEOUT + SLACK_SECONDS


class SilentProxy:
    """A TCP connection to Redis that can stop passing data on without closing anything."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._ways: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def swallow(self) -> None:
        for way in self._ways:
            way.cancel()
        await asyncio.gather(*self._ways, return_exceptions=True)

    async def close(self) -> None:
        await self.swallow()
        self._server.close()
        for writer in self._writers:
            writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._path)
        self._writers += [writer, far_writer]
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            self._ways.append(asyncio.create_task(self._pass_on(source, sink)))

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)


async def test_an_end_that_vanished_without_a_word_is_left_for_a_new_connection(
    own_stores: StoreUrls, server: int
) -> None:
    assert server
    way = SilentProxy(own_stores.redis_url.removeprefix("unix://"))
    link = RedisLink(await way.start(), timeout=TIMEOUT, clock=SystemClock())
    await link.start()
    assert await link.command("PING") == b"PONG"
    await way.swallow()
    await failure(link, "PING")
    await wait_until(lambda: link.up)
    assert await link.command("ECHO", "back") == b"back"
    await link.close()
    await way.close()


async def test_where_there_is_no_redis_the_start_is_short_and_says_nothing_but_no() -> None:
    link = RedisLink("redis://:hidden@127.0.0.1:1", timeout=TIMEOUT, clock=SystemClock())
    started_at = now()
    await link.start()
    assert now() - started_at < TIMEOUT + SLACK_SECONDS
    words, took = await failure(link, "PING")
    assert took < TIMEOUT
    assert "hidden" not in words + repr(link)
    assert repr(link) == "<RedisLink down: 0 awaited>"
    await link.close()


async def test_a_dedicated_client_blocks_nobody(own: RedisLink) -> None:
    async with own.dedicated() as client:
        blocked = asyncio.ensure_future(client.blpop(["nothing"], timeout=1))
        assert await own.command("ECHO", "free") == b"free"
        assert await blocked is None


async def test_a_dedicated_clients_errors_are_ours() -> None:
    link = RedisLink("redis://127.0.0.1:1", timeout=TIMEOUT, clock=SystemClock())
    with pytest.raises(RedisUnavailable):
        async with link.dedicated() as client:
            await client.ping()
    await link.close()


async def test_a_dedicated_client_of_a_redis_that_vanished_ends_without_an_error(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    async with (
        redis_server(tmp_path) as port,
        tls_before(f"redis://127.0.0.1:{port}/0", certificate, key) as secured,
        proxy_before(secured) as (proxy, url),
    ):
        link = RedisLink(url, timeout=TIMEOUT, clock=SystemClock(), ca_file=certificate)
        async with asyncio.timeout(PATIENCE_SECONDS), link.dedicated() as client:
            assert await client.ping()
            await proxy.set(Mode.FREEZE)


async def test_closing_releases_those_who_wait_and_leaves_no_task(own_stores: StoreUrls, server: int) -> None:
    before = asyncio.all_tasks()
    link = RedisLink(own_stores.redis_url, timeout=60.0, clock=SystemClock())
    await link.start()
    os.kill(server, signal.SIGSTOP)
    waiting = asyncio.create_task(link.command("PING"))
    await asyncio.sleep(0.05)
    started_at = now()
    await link.close()
    with pytest.raises(RedisUnavailable):
        await waiting
    assert now() - started_at < SLACK_SECONDS
    assert asyncio.all_tasks() == before


async def test_the_keys_of_a_prefix_learn_which_run_of_redis_it_is(
    own_stores: StoreUrls, server: int, own_folder: Path
) -> None:
    """The run is checked before any other command, after each restart."""
    link = RedisLink(own_stores.redis_url, timeout=TIMEOUT, clock=SystemClock(), prefix="runs")
    await link.start()
    first = await link.command("GET", "{runs}:run")
    assert first in await link.command("INFO", "server")
    os.kill(server, signal.SIGKILL)
    await wait_until(lambda: not link.up)
    with embedded.running(own_folder):
        await wait_until(lambda: link.up)
        second = await link.command("GET", "{runs}:run")
        assert second != first
        assert second in await link.command("INFO", "server")
        await link.close()


async def test_a_defect_in_one_round_is_logged_once_and_the_next_round_connects(redis_url: str) -> None:
    fault = FailingOnce()
    link = RedisLink(redis_url, timeout=TIMEOUT, clock=SystemClock(), on_event=lambda _: fault())
    with capture_logs() as logs:
        await link.start()
        await wait_until(lambda: fault.calls >= 2)
        await link.ping()
    assert failed_rounds(logs) == [("redis-link", "ZeroDivisionError")]
    await link.close()


@pytest.mark.parametrize("said", [b"", b"-ERR no\r\n"], ids=["silent", "refusing"])
async def test_a_connection_that_fails_in_its_handshake_is_closed(said: bytes) -> None:
    still_open = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal still_open
        still_open += 1
        while await reader.read(1000):
            writer.write(said)
        still_open -= 1
        writer.close()

    gc.collect()
    gc.disable()  # the collector would close it, too, but at its own time
    try:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as listener:
            port = listener.sockets[0].getsockname()[1]
            link = RedisLink(f"redis://127.0.0.1:{port}", timeout=TIMEOUT, clock=SystemClock(), prefix="t")
            await link.start()
            assert not link.up
            await link.close()
            await wait_until(lambda: still_open == 0, 5.0)
    finally:
        gc.enable()
