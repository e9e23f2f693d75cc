"""Each message arrives: through a webhook that loses nine of ten, through `kill -9`, and while PostgreSQL is away."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from structlog.testing import capture_logs

from tests.alerts.deliverer import FastClock
from tests.alerts.receivers import Receiver
from tests.eventually import wait_until, wait_until_async
from tidegate.alerts.channels import DeliveryFailed, TurningSecret, WebhookChannel
from tidegate.alerts.delivery import KEEP_SECONDS, MAX_HELD, AlertDelivery, retry_seconds
from tidegate.alerts.message import AlertMessage, trial_message
from tidegate.alerts.outbox import Outbox
from tidegate.core.clock import ManualClock
from tidegate.core.errors import PostgresUnavailable
from tidegate.storage.postgres import Postgres

AWAY = "postgresql://127.0.0.1:9/none"


def message(number: int) -> AlertMessage:
    return trial_message(message_id=f"alert_{number}", now=1_795_780_800.0)


def has_received(receiver: Receiver, count: int) -> bool:
    return len(receiver.requests) >= count


class PickyChannel:
    """Refuses as long as it is told to."""

    def __init__(self) -> None:
        self.refuses = True
        self.attempts: list[str] = []
        self.accepted: list[str] = []

    async def send(self, message: AlertMessage) -> None:
        self.attempts.append(message.id)
        if self.refuses:
            raise DeliveryFailed("it answered with the status 500")
        self.accepted.append(message.id)


class BrokenChannel:
    """Has a defect."""

    async def send(self, message: AlertMessage) -> None:
        raise ZeroDivisionError(message.id)


def test_the_pauses_grow_to_five_minutes() -> None:
    assert [retry_seconds(attempt) for attempt in (1, 2, 3, 8, 9, 10**6)] == [2, 4, 8, 256, 300, 300]


async def test_none_is_missing_after_kill_9_and_a_webhook_that_loses_nine_of_ten(
    postgres: Postgres, database_url: str, receiver: Receiver
) -> None:
    receiver.status = lambda number: 200 if number % 10 == 0 else (500, 503, 404, 302)[number % 4]
    outbox, clock, expected = Outbox(postgres), FastClock(), {f"alert_{number}" for number in range(20)}
    for number in range(20):
        await outbox.put(message(number), ["webhook"], clock.now())
    for _ in range(4):
        before = len(receiver.requests)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.alerts.deliverer", database_url, receiver.url
        )
        await wait_until(partial(has_received, receiver, before + 25))
        process.kill()
        await process.wait()
    with ThreadPoolExecutor(2) as threads:
        webhook = WebhookChannel(TurningSecret(receiver.url).read, TurningSecret("key").read, clock, threads)
        delivery = AlertDelivery(outbox, {"webhook": webhook}, clock)

        async def all_delivered() -> bool:
            await delivery.deliver()
            return all(each.delivered_at for each in await outbox.deliveries(limit=100))

        await wait_until_async(all_delivered)
    assert set(receiver.ids) == expected
    repeats = len(receiver.ids) - len(expected)
    assert repeats <= 4, "at most what was in flight at a kill comes again, and it has the same id"
    assert len(receiver.requests) >= 10 * len(expected)


async def test_two_processes_do_not_send_the_same_message(postgres: Postgres) -> None:
    channel, clock = PickyChannel(), ManualClock()
    channel.refuses = False
    outbox = Outbox(postgres)
    for number in range(8):
        await outbox.put(message(number), ["webhook"], clock.now())
        await outbox.put(message(number), ["webhook"], clock.now())
    processes = [AlertDelivery(outbox, {"webhook": channel}, clock) for _ in range(3)]
    await asyncio.gather(*(each.deliver() for each in processes))
    assert sorted(channel.accepted) == [f"alert_{number}" for number in range(8)]


async def test_a_channel_with_a_defect_holds_up_no_other(postgres: Postgres) -> None:
    good, clock = PickyChannel(), ManualClock()
    good.refuses = False
    outbox = Outbox(postgres)
    await outbox.put(message(1), ["broken", "good", "removed"], clock.now())
    with capture_logs() as logs:
        await AlertDelivery(outbox, {"broken": BrokenChannel(), "good": good}, clock).deliver()
    assert good.accepted == ["alert_1"]
    assert [log["log_level"] for log in logs] == ["error"]
    states = {each.channel: (each.attempts, each.last_error) for each in await outbox.deliveries()}
    assert states == {"broken": (1, "ZeroDivisionError"), "good": (1, None), "removed": (0, None)}


async def test_after_a_week_a_message_is_given_up_aloud(postgres: Postgres) -> None:
    channel, clock, lost = PickyChannel(), ManualClock(), list[int]()
    outbox = Outbox(postgres)
    delivery = AlertDelivery(outbox, {"webhook": channel}, clock, on_lost=lost.append)
    await outbox.put(message(1), ["webhook"], clock.now())
    await delivery.deliver()
    clock.advance(KEEP_SECONDS + 3601)
    with capture_logs() as logs:
        await delivery.deliver()
    assert (lost, await outbox.deliveries()) == ([1], [])
    assert "given up" in logs[-1]["event"]


async def test_without_postgresql_a_message_is_sent_from_memory() -> None:
    channel, clock, lost = PickyChannel(), ManualClock(), list[int]()
    outbox = Outbox(Postgres(AWAY, size=1, timeout=0.2))
    delivery = AlertDelivery(outbox, {"webhook": channel}, clock, on_lost=lost.append)
    delivery.hold(message(1))
    for _ in range(5):
        with pytest.raises(PostgresUnavailable):
            await delivery.deliver()
    assert channel.attempts == ["alert_1"], "the pause is kept"
    channel.refuses = False
    clock.advance(retry_seconds(1))
    with pytest.raises(PostgresUnavailable):
        await delivery.deliver()
    assert channel.accepted == ["alert_1"]
    for number in range(MAX_HELD + 3):
        delivery.hold(message(number))
    assert sum(lost) == 3


async def test_what_memory_holds_goes_to_postgresql_when_it_is_back(postgres: Postgres) -> None:
    channel, clock = PickyChannel(), ManualClock()
    outbox = Outbox(postgres)
    delivery = AlertDelivery(outbox, {"webhook": channel}, clock)
    delivery.hold(message(1))
    await delivery.deliver()
    [delivery_state] = await outbox.deliveries()
    assert (delivery_state.attempts, delivery_state.last_error) == (1, "it answered with the status 500")


async def test_it_runs_in_the_background(postgres: Postgres) -> None:
    channel, clock = PickyChannel(), ManualClock()
    channel.refuses = False
    delivery = AlertDelivery(Outbox(postgres), {"webhook": channel}, clock)
    await delivery.start()
    delivery.hold(message(1))
    await wait_until(lambda: channel.accepted == ["alert_1"])
    await delivery.close()
