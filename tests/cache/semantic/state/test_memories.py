"""Scopes in memory are what PostgreSQL has, in every process, in whichever order they hear of it; few are kept."""

from collections.abc import AsyncIterator

import numpy as np
import pytest

from tests.eventually import wait_until
from tidegate.cache.semantic.profile import Vector
from tidegate.cache.semantic.question import shipped_reader
from tidegate.cache.semantic.scope import AliasSet, KnownText, TextLearned
from tidegate.cache.semantic.state.change_log import ChangeLog, NumberedChanges
from tidegate.cache.semantic.state.changes import LabelNoted, encode_change
from tidegate.cache.semantic.state.memories import ScopeMemories
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

READER = shipped_reader()


def _embed(text: str) -> Vector:
    return np.array([len(text), text.count("e"), 1.0], dtype=np.float32)


def _phrasing(text: str, answer: str = "a") -> list[str]:
    question = READER.read(text)
    learned = TextLearned(key=question.key, known=KnownText(answer=answer))
    return [encode_change(learned), encode_change(AliasSet(question=question, answer=answer))]


class Processes:
    """Two processes on the same stores."""

    def __init__(self, postgres: Postgres, link: RedisLink, prefix: str) -> None:
        self.logs = [ChangeLog(postgres, link, prefix=prefix) for _ in range(2)]
        self.memories = [
            ScopeMemories(log, READER, _embed, dimensions=3, firmness=10.0, max_scopes=2, max_phrasings=3)
            for log in self.logs
        ]

    async def write(self, process: int, changes: list[str], scope: str = "s") -> NumberedChanges:
        """Write changes in one process."""
        numbered = await self.logs[process].append(
            project="shop", scope=scope, changes=changes, end_user=None, decision=None
        )
        await self.memories[process].apply(numbered)
        await self.logs[process].spread(numbered)
        return numbered


@pytest.fixture
async def processes(postgres: Postgres, redis_link: RedisLink, redis_prefix: str) -> AsyncIterator[Processes]:
    made = Processes(postgres, redis_link, redis_prefix)
    for memories in made.memories:
        await memories.start()
    yield made
    for memories in made.memories:
        await memories.close()


async def test_a_scope_is_loaded_before_it_is_used(processes: Processes) -> None:
    await processes.write(0, _phrasing("open an account"))
    assert processes.memories[1].find("s") is None
    loaded = await processes.memories[1].load("s")
    assert processes.memories[1].find("s") is loaded
    assert (list(loaded.memory.aliases), loaded.last, loaded.answers("a")) == (
        ["open an account"],
        2,
        ["open an account"],
    )


async def test_two_processes_know_the_same_within_a_second(processes: Processes) -> None:
    loaded = [await memories.load("s") for memories in processes.memories]
    await processes.logs[1].heard()
    await processes.write(0, _phrasing("open an account"))
    await processes.write(1, [*_phrasing("close it"), encode_change(LabelNoted(row=(1, 0, 0, 0, 0), right=True))])
    await wait_until(lambda: [each.last for each in loaded] == [5, 5])
    assert loaded[0].memory.aliases == loaded[1].memory.aliases
    assert loaded[0].memory.texts == loaded[1].memory.texts


async def test_changes_that_were_missed_are_read_and_none_is_applied_twice(processes: Processes) -> None:
    loaded = await processes.memories[1].load("s")
    missed = await processes.write(0, _phrasing("open an account"))
    later = await processes.write(0, _phrasing("close it"))
    await processes.memories[1].apply(later)
    await processes.memories[1].apply(missed)
    assert (loaded.last, loaded.memory.cached, loaded.memory.profile("a").aliases) == (4, 2, 2)


async def test_the_phrasings_of_a_scope_are_bounded_and_scopes_not_used_leave(processes: Processes) -> None:
    memories = processes.memories[0]
    for text in ("open it", "close it", "lock it", "sell it"):
        await memories.load("s")
        await processes.write(0, _phrasing(text))
    loaded = await memories.load("s")
    assert (loaded.memory.cached, memories.may_add(loaded, "b")) == (3, False)
    await memories.load("t")
    assert memories.find("s") is loaded
    await memories.load("u")
    assert (len(memories), memories.find("s"), memories.find("t")) == (2, loaded, None)


async def test_a_scope_is_read_again_after_something_of_it_was_deleted(processes: Processes) -> None:
    loaded = await processes.memories[1].load("s")
    await processes.logs[1].heard()
    await processes.logs[0].tell_deleted(["s"])
    await wait_until(lambda: len(processes.memories[1]) == 0)
    assert await processes.memories[1].load("s") is not loaded
