"""The outbox lends each message to one process, and again when its lease has ended."""

from tidegate.alerts.message import trial_message
from tidegate.alerts.outbox import Outbox
from tidegate.storage.postgres import Postgres

MESSAGE = trial_message(message_id="alert_1", now=0.0)


async def test_a_message_is_lent_until_its_lease_ends(postgres: Postgres) -> None:
    outbox = Outbox(postgres)
    await outbox.put(MESSAGE, ["webhook"], 1_000.0)
    assert await outbox.take(["slack"], 1_000.0, 60.0) == []
    [lent] = await outbox.take(["webhook"], 1_000.0, 60.0)
    assert (lent.message, lent.attempts) == (MESSAGE, 1)
    assert await outbox.take(["webhook"], 1_059.0, 60.0) == []
    [again] = await outbox.take(["webhook"], 1_060.0, 60.0)
    assert again.attempts == 2


async def test_what_was_delivered_is_not_due_again(postgres: Postgres) -> None:
    outbox = Outbox(postgres)
    await outbox.put(MESSAGE, ["webhook"], 1_000.0)
    [lent] = await outbox.take(["webhook"], 1_000.0, 60.0)
    await outbox.note_failed(lent, 1_002.0, "it answered with the status 500")
    [lent] = await outbox.take(["webhook"], 1_002.0, 60.0)
    await outbox.note_delivered(lent, 1_003.0)
    await outbox.note_failed(lent, 1_004.0, "a late word of another process")
    assert await outbox.take(["webhook"], 9_999.0, 60.0) == []
    [shown] = await outbox.deliveries(message_id="alert_1")
    assert (shown.delivered_at, shown.attempts, shown.last_error) == (1_003.0, 2, None)
