"""A plain HTTP server is Sentry: it gets names and places, no canary, and may be away without any harm."""

import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import tidegate
from tests.eventually import wait_until
from tests.monitoring.sentry.servers import FakeSentry, fake_sentry
from tidegate.core.clock import ManualClock, SystemClock
from tidegate.core.events import Event, EventName
from tidegate.monitoring.sentry.client import PAUSE_SECONDS, SentryClient
from tidegate.monitoring.sentry.problem import Problem
from tidegate.monitoring.sentry.rate_limit import MAX_A_MINUTE
from tidegate.monitoring.sentry.sender import MAX_WAITING, ProblemNotSent, ProblemSender

PROJECT = Path(tidegate.__file__).parents[1]
CANARY = "canary-7f3a9c"
PROBLEM = Problem(fingerprint=("redis_lost",), title="Redis is away")


@pytest.fixture
def sentry() -> Iterator[FakeSentry]:
    with fake_sentry() as server:
        yield server


@pytest.fixture
async def sender(sentry: FakeSentry) -> AsyncIterator[ProblemSender]:
    sender = ProblemSender(SentryClient(lambda: sentry.dsn, "staging", SystemClock()), SystemClock())
    await sender.start()
    yield sender
    sentry.receiver.let_go.set()
    await sender.close()


async def test_the_eleventh_of_a_kind_is_counted_only(sentry: FakeSentry, sender: ProblemSender) -> None:
    for _ in range(25):
        sender.report_error(ValueError())
    sender.report_event(Event(EventName.POSTGRES_UNAVAILABLE))
    await wait_until(lambda: len(sentry.events) == MAX_A_MINUTE + 1)
    assert (sender.left_out, sender.failed) == (15, 0)
    assert [each["fingerprint"] for each in sentry.events][-1] == ["tidegate", "postgres_unavailable"]


async def test_a_silent_sentry_holds_up_no_one_and_the_queue_is_bounded(
    sentry: FakeSentry, sender: ProblemSender
) -> None:
    sentry.receiver.behaviour = "silent"
    sender.report_event(Event(EventName.REDIS_LOST))
    await wait_until(lambda: len(sentry.receiver.requests) == 1)
    begun = time.perf_counter()
    for number in range(150):
        sender.report_event(Event(EventName.CREDENTIAL_OUT, subject=f"openai/{number}", cause="invalid"))
    assert time.perf_counter() - begun < 1.0
    assert sender.failed == 150 - MAX_WAITING
    with pytest.raises(ProblemNotSent, match="too many"):
        await sender.deliver(PROBLEM)


async def test_a_sentry_that_is_down_costs_the_event_only(sentry: FakeSentry, sender: ProblemSender) -> None:
    sentry.receiver.behaviour = "hang_up"
    with pytest.raises(ProblemNotSent) as refused:
        await sender.deliver(PROBLEM)
    assert "publickey" not in str(refused.value)
    sentry.receiver.behaviour = ""
    await sender.deliver(PROBLEM)
    assert (len(sentry.events), sender.failed) == (1, 1)


async def test_after_a_429_nothing_is_sent_for_a_minute(sentry: FakeSentry) -> None:
    clock = ManualClock()
    sender = ProblemSender(SentryClient(lambda: sentry.dsn, "production", clock), clock)
    await sender.start()
    sentry.receiver.status = lambda number: 429 if number == 1 else 200
    for _ in range(5):
        with pytest.raises(ProblemNotSent):
            await sender.deliver(PROBLEM)
    assert (len(sentry.receiver.requests), sender.failed) == (1, 5)
    clock.advance(PAUSE_SECONDS)
    await sender.deliver(PROBLEM)
    assert len(sentry.events) == 1
    await sender.close()


async def test_a_turned_dsn_is_used_from_the_next_event(sentry: FakeSentry) -> None:
    read = [sentry.dsn]
    sender = ProblemSender(SentryClient(lambda: read[-1], "production", SystemClock()), SystemClock())
    await sender.start()
    await sender.deliver(PROBLEM)
    read.append(sentry.dsn.replace("publickey", "nextkey").replace("/42", "/43"))
    await sender.deliver(PROBLEM)
    read.append("no dsn")
    with pytest.raises(ProblemNotSent, match=r"sentry\.dsn is no DSN"):
        await sender.deliver(PROBLEM)
    assert [each.path for each in sentry.receiver.requests] == ["/api/42/envelope/", "/api/43/envelope/"]
    assert "sentry_key=nextkey" in sentry.receiver.requests[1].headers["x-sentry-auth"]
    await sender.close()


async def test_the_thread_ends_with_what_waited_sent(sentry: FakeSentry) -> None:
    sender = ProblemSender(SentryClient(lambda: sentry.dsn, "production", SystemClock()), SystemClock())
    await sender.start()
    for name in (EventName.REDIS_LOST, EventName.LEDGER_HELD, EventName.SPOOL_FAILED):
        sender.report_event(Event(name))
    await sender.close()
    assert len(sentry.events) == 3
    assert [each.name for each in threading.enumerate() if "sentry" in each.name.lower()] == []
