"""Changes of a scope are numbered without gaps, whoever writes them; every process hears of them, and old ones go."""

import asyncio

import pytest

from tidegate.cache.semantic.state.change_log import ChangeLog, LoggedDecision, NumberedChanges
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink


@pytest.fixture
def logs(postgres: Postgres, redis_link: RedisLink, redis_prefix: str) -> list[ChangeLog]:
    return [ChangeLog(postgres, redis_link, prefix=redis_prefix) for _ in range(2)]


async def _append(log: ChangeLog, *changes: str, scope: str = "s") -> NumberedChanges:
    numbered = await log.append(project="shop", scope=scope, changes=changes, end_user=None, decision=None)
    await log.spread(numbered)
    return numbered


async def test_two_processes_number_their_changes_without_a_gap(logs: list[ChangeLog]) -> None:
    written = await asyncio.gather(*(_append(logs[n % 2], "1", "2") for n in range(20)))
    assert sorted(each.first for each in written) == list(range(1, 41, 2))
    last, rows = await logs[0].read("s", after=38, limit=100)
    assert (last, rows) == (40, [(39, "1"), (40, "2")])


async def test_the_newest_changes_are_read_in_order(logs: list[ChangeLog]) -> None:
    await _append(logs[0], "1", "2", "3")
    assert await logs[0].read("s", after=0, limit=2) == (3, [(2, "2"), (3, "3")])
    assert await logs[0].read("s", after=3, limit=2) == (3, [])
    assert await logs[0].read("unknown", after=0, limit=2) == (0, [])


async def test_another_process_hears_of_what_was_written_since_it_began(logs: list[ChangeLog]) -> None:
    await _append(logs[0], "1")
    assert await logs[1].heard() == []
    await _append(logs[0], "2")
    await _append(logs[0], "3", scope="t")
    expected = [
        NumberedChanges(scope="s", first=2, changes=("2",)),
        NumberedChanges(scope="t", first=1, changes=("3",)),
    ]
    assert await logs[1].heard() == expected
    assert await logs[1].heard() == []


async def test_old_changes_and_decisions_go_and_numbers_go_on(logs: list[ChangeLog]) -> None:
    decision = LoggedDecision(request_id="r", at=0.0, project="shop", scope="s", mode="on", action="ask")
    await logs[0].append(project="shop", scope="s", changes=["1"], end_user="e", decision=decision)
    await logs[0].expire(changes_seconds=0.0, decisions_seconds=0.0)
    assert await logs[0].read("s", after=0, limit=10) == (1, [])
    assert (await _append(logs[0], "2")).first == 2
