"""An entry is taken in whatever the state of Redis, as one line of JSON that PostgreSQL can hold."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from tests.eventually import wait_until, wait_until_async
from tests.failing_once import FailingOnce, failed_rounds
from tests.metering.ledger_parts import ENTRY, entry
from tidegate.core.clock import SystemClock
from tidegate.core.errors import LedgerUnavailable
from tidegate.core.events import EventName
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.metering.ledger.entries import MAX_MODEL_LENGTH, MAX_POSTED_ENTRIES, MAX_TEXT_LENGTH, Ledger, encode
from tidegate.metering.ledger.spool import Spool, count_lines
from tidegate.metering.ledger.stream import LedgerStream
from tidegate.storage.redis import RedisLink

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=MAX_MODEL_LENGTH)
COUNTS = st.integers(0, 2**53)
TAGS = st.none() | st.dictionaries(WORDS, WORDS, max_size=3)
ENTRIES = st.builds(
    LedgerEntry,
    **{
        field.name: {str: WORDS, int: COUNTS, bool: st.booleans(), float: st.floats(0, 1e11)}.get(
            field.type, TAGS if field.name == "tags" else st.none() | (WORDS if field.type == str | None else COUNTS)
        )
        for field in msgspec.structs.fields(LedgerEntry)
    },
)


@given(ENTRIES)
def test_what_was_encoded_reads_as_it_was(given_entry: LedgerEntry) -> None:
    encoded = encode(given_entry)

    assert msgspec.json.decode(encoded, type=LedgerEntry) == given_entry
    assert b"\n" not in encoded


@given(st.text(st.characters()), st.text(st.characters()))
def test_whatever_a_caller_calls_himself_the_line_stays_short_and_is_text(user: str, model: str) -> None:
    result = json.loads(encode(entry(1, end_user=user, model=model)))

    assert len(result["end_user"]) <= MAX_TEXT_LENGTH
    assert len(result["model"]) <= MAX_MODEL_LENGTH
    assert "\0" not in result["end_user"] + result["model"]


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("a\0b", "ab"),
        ("\0", ""),
        ("x" * 1000, "x" * 256),
        ("\0" + "x" * 1000, "x" * 256),
        ("a\ud83d", "a?"),
        ("\\u0000", "\\u0000"),
        ("é" * 300, "é" * 256),
    ],
)
def test_a_text_is_cut_and_cleaned(given_text: str, kept: str) -> None:
    assert json.loads(encode(entry(1, end_user=given_text)))["end_user"] == kept


@pytest.fixture
async def nowhere() -> Any:
    link = RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock())
    await link.start()
    yield link
    await link.close()


async def test_an_entry_goes_into_the_stream_in_the_field_e(
    redis_link: RedisLink, redis_prefix: str, tmp_path: Path
) -> None:
    ledger = Ledger(LedgerStream(redis_link, redis_prefix), Spool(tmp_path))

    await ledger.append(ENTRY)

    [[_, fields]] = await redis_link.command("XRANGE", f"{{{redis_prefix}}}:ledger", "-", "+")
    assert fields == [b"e", encode(ENTRY)]
    await ledger.close()
    assert count_lines(tmp_path) == 0


async def test_while_redis_is_away_it_goes_to_disk(nowhere: RedisLink, redis_prefix: str, tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    ledger = Ledger(LedgerStream(nowhere, redis_prefix), spool)

    await ledger.append(ENTRY)
    ledger.spool(encode(entry(2)))

    assert count_lines(tmp_path) == 2
    await ledger.close()
    assert not spool.has_unsynced_lines


async def test_posted_entries_are_appended_together_and_before_the_end(
    redis_link: RedisLink, redis_prefix: str, tmp_path: Path
) -> None:
    ledger = Ledger(LedgerStream(redis_link, redis_prefix), Spool(tmp_path))
    for number in range(3):
        ledger.post(entry(number))
    await wait_until_async(lambda: has_length(redis_link, redis_prefix, 3))
    ledger.post(entry(3))
    await ledger.close()
    stream = await redis_link.command("XRANGE", f"{{{redis_prefix}}}:ledger", "-", "+")
    assert [fields for _, fields in stream] == [[b"e", encode(entry(number))] for number in range(4)]


async def test_posted_entries_go_to_disk_while_redis_is_away(
    nowhere: RedisLink, redis_prefix: str, tmp_path: Path
) -> None:
    ledger = Ledger(LedgerStream(nowhere, redis_prefix), Spool(tmp_path))
    ledger.post(entry(1))
    ledger.post(entry(2))
    await ledger.close()
    assert count_lines(tmp_path) == 2


async def test_no_more_is_posted_than_a_slow_redis_takes(
    redis_link: RedisLink, redis_prefix: str, tmp_path: Path
) -> None:
    ledger = Ledger(LedgerStream(redis_link, redis_prefix), Spool(tmp_path))
    for number in range(MAX_POSTED_ENTRIES):
        assert ledger.can_post
        ledger.post(entry(number))
    assert not ledger.can_post
    await ledger.close()
    assert await has_length(redis_link, redis_prefix, MAX_POSTED_ENTRIES)


async def has_length(link: RedisLink, prefix: str, entries: int) -> bool:
    """Return whether the stream has so many entries."""
    return bool(await LedgerStream(link, prefix).length() == entries)


async def test_with_redis_away_and_the_disk_full_it_is_held_and_further_calls_are_refused(
    nowhere: RedisLink, redis_prefix: str, tmp_path: Path
) -> None:
    results: list[EventName] = []
    ledger = Ledger(
        LedgerStream(nowhere, redis_prefix),
        Spool(tmp_path, max_bytes=10),
        max_buffered_entries=2,
        on_event=lambda happening: results.append(happening.name),
    )
    with structlog.testing.capture_logs() as logs:
        for number in range(2):
            ledger.check_capacity()
            ledger.spool(encode(entry(number)))
        with pytest.raises(LedgerUnavailable):
            ledger.check_capacity()
        for number in range(2, 5):  # calls under way
            ledger.spool(encode(entry(number)))
        assert (ledger.buffered_count, ledger.lost_count) == (4, 1)
        await ledger.close()
    assert ledger.lost_count == 5, "nothing took them until the end"
    last = [line["entry"] for line in logs if line["log_level"] == "critical"]
    assert sorted(last) == sorted(encode(entry(number)).decode() for number in range(5)), "the log has the last copies"
    assert [line["log_level"] for line in logs].count("error") == 1
    assert (results.count(EventName.LEDGER_HELD), results.count(EventName.LEDGER_LOST)) == (4, 5)


async def test_what_was_held_goes_to_the_first_that_takes_it(
    nowhere: RedisLink, redis_link: RedisLink, redis_prefix: str, tmp_path: Path
) -> None:
    full = Spool(tmp_path / "full", max_bytes=10)
    to_disk = Ledger(LedgerStream(nowhere, redis_prefix), full)
    to_disk.spool(encode(entry(1)))
    assert to_disk.buffered_count == 1
    full._max_bytes = 10**6  # noqa: SLF001  # somebody made room
    await to_disk.close()
    assert count_lines(tmp_path / "full") == 1

    to_redis = Ledger(LedgerStream(redis_link, redis_prefix), Spool(tmp_path / "full", max_bytes=10))
    to_redis.spool(encode(entry(2)))
    await wait_until(lambda: to_redis.buffered_count == 0)
    [[_, fields]] = await redis_link.command("XRANGE", f"{{{redis_prefix}}}:ledger", "-", "+")
    assert fields == [b"e", encode(entry(2))]
    assert to_redis.lost_count == 0
    await to_redis.close()


class SpoolFailingOnce(Spool):
    """A spool whose first flush to disk meets a defect."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fault = FailingOnce()

    async def sync(self) -> None:
        self.fault()
        await super().sync()


async def test_a_defect_in_one_flush_of_the_spool_is_logged_once_and_the_next_one_works(
    nowhere: RedisLink, redis_prefix: str, tmp_path: Path
) -> None:
    spool = SpoolFailingOnce(tmp_path)
    ledger = Ledger(LedgerStream(nowhere, redis_prefix), spool)
    with structlog.testing.capture_logs() as logs:
        ledger.spool(encode(ENTRY))
        await wait_until(lambda: not spool.has_unsynced_lines)
    assert failed_rounds(logs) == [("spool-sync", "ZeroDivisionError")]
    await ledger.close()


class StreamFailingOnce(LedgerStream):
    """A stream whose first entry meets a defect."""

    def __init__(self, link: RedisLink, prefix: str) -> None:
        super().__init__(link, prefix)
        self.fault = FailingOnce()

    async def append(self, encoded: bytes) -> None:
        self.fault()
        await super().append(encoded)


async def test_a_defect_in_one_retry_of_the_buffer_is_logged_once_and_the_next_one_works(
    redis_link: RedisLink, redis_prefix: str, tmp_path: Path
) -> None:
    ledger = Ledger(StreamFailingOnce(redis_link, redis_prefix), Spool(tmp_path, max_bytes=10))
    with structlog.testing.capture_logs() as logs:
        ledger.spool(encode(ENTRY))
        assert ledger.buffered_count == 1
        await wait_until(lambda: ledger.buffered_count == 0)
    assert failed_rounds(logs) == [("ledger-retry", "ZeroDivisionError")]
    assert ledger.lost_count == 0
    await ledger.close()
