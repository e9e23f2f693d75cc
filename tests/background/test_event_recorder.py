"""Events go into rows numbered on from what was said, content apart from what is not, whatever PostgreSQL does."""

import asyncio
from typing import Any

import pytest

from tests.background.parts import WORDS, decoded, event, stream
from tidegate.background.event_log import split_events
from tidegate.background.event_recorder import MAX_PENDING_BYTES, MAX_ROW_BYTES, AttemptLost, EventRecorder, renumber
from tidegate.core.errors import PostgresUnavailable

Json = dict[str, Any]


class Table:
    """Where rows are appended; away, or closed to this attempt, as the test wants."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, list[bytes], bool]] = []
        self.away = 0
        self.ours = True
        self.open = asyncio.Event()
        self.open.set()

    async def append(self, first: int, events: list[bytes], content: bool) -> bool:  # as called
        await self.open.wait()
        if self.away:
            self.away -= 1
            raise PostgresUnavailable
        if self.ours:
            self.rows.append((first, events, content))
        return self.ours

    @property
    def events(self) -> list[Json]:
        return decoded([one for _, events, _ in self.rows for one in events])


def recorder(table: Table, next_event: int = 2) -> EventRecorder:
    return EventRecorder(table.append, next_event=next_event, on_written=lambda: None)


async def record(table: Table, events: list[bytes], next_event: int = 2) -> None:
    one = recorder(table, next_event)
    for each in events:
        await one.add(each)
    one.close()
    await one.run()


async def test_a_stream_is_numbered_on_without_what_was_said_before() -> None:
    table = Table()
    await record(table, stream()[:-1])
    assert [one["sequence_number"] for one in table.events] == list(range(2, len(table.events) + 2))
    kinds = [one["type"] for one in table.events]
    assert kinds[:2] == ["response.in_progress", "response.output_item.added"]
    assert "".join(one["delta"] for one in table.events if one["type"] == "response.output_text.delta") == WORDS


async def test_what_says_nothing_of_the_answer_has_a_row_of_its_own() -> None:
    table = Table()
    await record(table, stream()[:-1])
    assert [(first, content) for first, _, content in table.rows] == [(2, False), (3, True)]


async def test_another_attempt_does_not_begin_twice() -> None:
    table = Table()
    await record(table, stream()[:-1], next_event=3)
    assert table.events[0]["type"] == "response.output_item.added"
    assert table.events[0]["sequence_number"] == 3


async def test_rows_are_not_too_long() -> None:
    table = Table()
    delta = event({"type": "response.output_text.delta", "delta": "x" * (MAX_ROW_BYTES // 3)})
    await record(table, [delta] * 7)
    assert [len(events) for _, events, _ in table.rows] == [2, 2, 2, 1]
    assert [first for first, _, _ in table.rows] == [2, 4, 6, 8]


async def test_an_event_larger_than_a_row_has_one_of_its_own() -> None:
    table = Table()
    large = event({"type": "response.output_text.delta", "delta": "x" * (MAX_ROW_BYTES * 2)})
    await record(table, [large, large])
    assert [len(events) for _, events, _ in table.rows] == [1, 1]


async def test_while_postgresql_is_away_it_waits() -> None:
    table = Table()
    table.away = 1
    await record(table, stream()[:-1])
    assert table.events[-1]["type"] == "response.output_item.done"


async def test_an_attempt_that_is_not_valid_any_more_ends() -> None:
    table = Table()
    table.ours = False
    with pytest.raises(AttemptLost):
        await record(table, stream())


async def test_whoever_brings_events_waits_where_too_many_are_to_be_written() -> None:
    table = Table()
    table.open.clear()
    one = recorder(table)
    writing = asyncio.create_task(one.run())
    large = event({"type": "response.output_text.delta", "delta": "x" * (MAX_PENDING_BYTES // 4)})
    for _ in range(4):
        adding = asyncio.create_task(one.add(large))
        await asyncio.wait({adding}, timeout=0.01)
    assert not adding.done()
    table.open.set()
    await adding
    one.close()
    await writing
    assert len(table.events) == 4


def test_an_event_gets_another_number_and_keeps_the_rest() -> None:
    before = event({"type": "response.completed", "sequence_number": 7, "response": {"n": 1.0, "id": "resp_1"}})
    assert decoded([renumber(before, 12)]) == [
        {"type": "response.completed", "sequence_number": 12, "response": {"n": 1.0, "id": "resp_1"}}
    ]
    assert renumber(before, 12).startswith(b"event: response.completed\n")


def test_a_row_comes_apart_as_it_was_put_together() -> None:
    assert split_events(b"".join(stream())) == stream()
