"""States survive processes and stores: the newest one counts, and of two judges one is refused."""

import msgspec
import pytest

from tidegate.alerts.judgement import Judgement
from tidegate.alerts.message import trial_message
from tidegate.alerts.outbox import Outbox
from tidegate.alerts.store import AlertStore
from tidegate.alerts.thresholds import AlertName
from tidegate.alerts.transition import AlertState
from tidegate.core.errors import PostgresUnavailable
from tidegate.storage.names import RedisNames
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

FIRING = AlertState(
    alert=AlertName.ERRORS, is_firing=True, since=5.0, version=1, judgement=Judgement(alert=AlertName.ERRORS)
)
LATER = msgspec.structs.replace(FIRING, calm_since=9.0, version=2)
MESSAGE = trial_message(message_id="alert_1", now=0.0)


@pytest.fixture
def store(postgres: Postgres, redis_link: RedisLink, redis_prefix: str) -> AlertStore:
    return AlertStore(postgres, redis_link, prefix=redis_prefix)


async def test_of_two_judges_the_second_is_refused_and_its_message_is_not_sent(
    store: AlertStore, postgres: Postgres
) -> None:
    assert await store.save(FIRING, MESSAGE, ["webhook", "slack"], 10.0)
    other = trial_message(message_id="alert_2", now=0.0)
    assert not await store.save(FIRING, other, ["webhook"], 10.0)
    assert {(each.message.id, each.channel) for each in await Outbox(postgres).deliveries()} == {
        ("alert_1", "webhook"),
        ("alert_1", "slack"),
    }
    assert (await store.read()).states == {AlertName.ERRORS: FIRING}


async def test_what_redis_kept_while_postgresql_was_away_is_written_to_it(
    store: AlertStore, redis_link: RedisLink, redis_prefix: str
) -> None:
    assert await store.save(FIRING, None, [], 10.0)
    away = AlertStore(Postgres("postgresql://127.0.0.1:9/none", size=1, timeout=0.2), redis_link, prefix=redis_prefix)
    with pytest.raises(PostgresUnavailable):
        await away.save(LATER, None, [], 10.0)
    assert (await store.read()).state(AlertName.ERRORS).version == 1
    assert (await store.load()).state(AlertName.ERRORS) == LATER
    assert (await store.read()).state(AlertName.ERRORS) == LATER


async def test_a_scrape_reads_the_copy_while_postgresql_is_away(
    store: AlertStore, redis_link: RedisLink, redis_prefix: str
) -> None:
    assert await store.save(FIRING, None, [], 10.0)
    assert (await store.read_or_copies(5.0)).state(AlertName.ERRORS) == FIRING
    gone = Postgres("postgresql://127.0.0.1:9/none", size=1, timeout=0.2)
    for timeout in (5.0, 0.0):
        away = AlertStore(gone, redis_link, prefix=redis_prefix)
        assert (await away.read_or_copies(timeout)).state(AlertName.ERRORS) == FIRING


async def test_what_cannot_be_read_is_a_state_that_never_fired(
    store: AlertStore, postgres: Postgres, redis_link: RedisLink, redis_prefix: str
) -> None:
    async with postgres.connection() as connection:
        await connection.execute("INSERT INTO alert_states VALUES ('errors', 1, '{\"alert\": \"fourth\"}')")
    await redis_link.command("SET", RedisNames(redis_prefix).of("alerts:states"), b"\xff")
    assert not (await store.load()).state(AlertName.ERRORS).is_firing


async def test_muting_is_seen_by_all(store: AlertStore) -> None:
    assert (await store.load()).muted_until == 0.0
    await store.mute(1_790_000_000.0)
    assert (await store.load()).muted_until == 1_790_000_000.0
    await store.mute(None)
    assert (await store.load()).muted_until == 0.0
