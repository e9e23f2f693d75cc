"""The scopes that this process has in memory: loaded from PostgreSQL, kept up to date, and dropped when not used."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from tidegate.cache.semantic.calibration import Calibration
from tidegate.cache.semantic.index import VectorBlock
from tidegate.cache.semantic.profile import Vector
from tidegate.cache.semantic.question import QuestionReader
from tidegate.cache.semantic.scope import AliasSet, PhrasingMemory, ScopeChange
from tidegate.cache.semantic.state.change_log import READ_AGAIN, ChangeLog, NumberedChanges
from tidegate.cache.semantic.state.changes import LabelNoted, decode_changes
from tidegate.core.errors import PostgresUnavailable, RedisUnavailable
from tidegate.core.periodic import PeriodicTask

_LOOK_SECONDS: Final = 0.25
_CHANGES_A_PHRASING: Final = 6
"""Changes that are read of a scope, for each phrasing that it may have."""
_MAX_ANSWER_PHRASINGS: Final = 200


class LoadedScope:
    """One scope: its phrasings and its calibration, after its change number `last`."""

    def __init__(self, dimensions: int, *, firmness: float) -> None:
        """`dimensions` is the length of vectors; `firmness` is that of the calibration."""
        self.memory = PhrasingMemory(VectorBlock(dimensions))
        self.calibration = Calibration(firmness=firmness)
        self.last = 0
        """The number of the newest change that was applied."""

    def answers(self, answer: str) -> list[str]:
        """Return the keys of the phrasings that stand for an answer."""
        return [key for key, alias in self.memory.aliases.items() if alias.answer == answer]


class ScopeMemories:
    """The scopes of this process. Use it between `start` and `close`."""

    def __init__(  # noqa: PLR0913  # a parameter for each part and bound
        self,
        log: ChangeLog,
        reader: QuestionReader,
        embed: Callable[[str], Vector],
        *,
        dimensions: int,
        firmness: float,
        max_scopes: int,
        max_phrasings: int,
    ) -> None:
        """`embed` returns the vector of a question's key; at most `max_phrasings` are kept of a scope."""
        self._log = log
        self._reader = reader
        self._embed = embed
        self._dimensions = dimensions
        self._firmness = firmness
        self._max_scopes = max_scopes
        self._max_phrasings = max_phrasings
        self._scopes: dict[str, LoadedScope] = {}
        self._loading: dict[str, asyncio.Task[LoadedScope]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="semantic-scopes")
        self._listening = PeriodicTask("semantic-changes", self._listen, every=_LOOK_SECONDS, quiet=(RedisUnavailable,))

    def __len__(self) -> int:
        return len(self._scopes)

    async def start(self) -> None:
        """Begin to hear of other processes' changes."""
        await self._listening.start()

    async def close(self) -> None:
        """Stop."""
        await self._listening.close()
        for task in list(self._loading.values()):
            task.cancel()
        await asyncio.gather(*self._loading.values(), return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def find(self, scope: str) -> LoadedScope | None:
        """Return a scope if it is in memory; else begin to load it."""
        loaded = self._scopes.pop(scope, None)
        if loaded is None:
            self._begin(scope)
            return None
        self._scopes[scope] = loaded  # the last one of the dictionary is the one that was used last
        return loaded

    async def load(self, scope: str) -> LoadedScope:
        """Return a scope once it is in memory. Raises PostgresUnavailable."""
        loaded = self._scopes.get(scope)
        return loaded if loaded is not None else await asyncio.shield(self._begin(scope))

    def may_add(self, loaded: LoadedScope, answer: str) -> bool:
        """Return whether the scope and the answer have room for one more phrasing."""
        memory = loaded.memory
        return memory.cached < self._max_phrasings and memory.profile(answer).aliases < _MAX_ANSWER_PHRASINGS

    async def apply(self, numbered: NumberedChanges) -> None:
        """Apply changes to a scope in memory: each once, and in order. Raises PostgresUnavailable.

        What is missing in between is read from PostgreSQL.
        """
        loaded = self._scopes.get(numbered.scope)
        if loaded is None:
            return
        if numbered.first == READ_AGAIN:
            del self._scopes[numbered.scope]
            return
        if numbered.first > loaded.last + 1:
            await self._read_on(numbered.scope, loaded)
        start = max(0, loaded.last + 1 - numbered.first)
        self._fold(loaded, decode_changes(numbered.changes[start:], self._reader))
        loaded.last = max(loaded.last, numbered.first + len(numbered.changes) - 1)

    def _begin(self, scope: str) -> "asyncio.Task[LoadedScope]":
        task = self._loading.get(scope)
        if task is None:
            task = self._loading[scope] = asyncio.create_task(self._load(scope), name="semantic-load")
            task.add_done_callback(lambda done: self._end(scope, done))
        return task

    def _end(self, scope: str, task: "asyncio.Task[LoadedScope]") -> None:
        self._loading.pop(scope, None)
        if not task.cancelled():
            task.exception()  # it is raised where the scope is awaited

    async def _load(self, scope: str) -> LoadedScope:
        loaded = LoadedScope(self._dimensions, firmness=self._firmness)
        await self._read_on(scope, loaded)
        while len(self._scopes) >= self._max_scopes:
            self._scopes.pop(next(iter(self._scopes)))
        self._scopes[scope] = loaded
        return loaded

    async def _read_on(self, scope: str, loaded: LoadedScope) -> None:
        """Read and apply what is newer than the scope in memory; vectors are made in a thread."""
        limit = _CHANGES_A_PHRASING * self._max_phrasings
        last, rows = await self._log.read(scope, after=loaded.last, limit=limit)
        loop = asyncio.get_running_loop()
        prepared = await loop.run_in_executor(self._thread, self._prepare, [text for _, text in rows])
        for (number, _), (change, vector) in zip(rows, prepared, strict=True):
            if number > loaded.last:  # another reader may have been faster
                self._apply(loaded, change, vector)
        loaded.last = max(loaded.last, last)

    def _prepare(self, texts: Iterable[str]) -> list[tuple[ScopeChange | LabelNoted, Vector | None]]:
        changes = decode_changes(texts, self._reader)
        return [(each, self._embed(each.question.key) if isinstance(each, AliasSet) else None) for each in changes]

    def _fold(self, loaded: LoadedScope, changes: Iterable[ScopeChange | LabelNoted]) -> None:
        for change in changes:
            vector = self._embed(change.question.key) if isinstance(change, AliasSet) else None
            self._apply(loaded, change, vector)

    def _apply(self, loaded: LoadedScope, change: ScopeChange | LabelNoted, vector: Vector | None) -> None:
        if isinstance(change, LabelNoted):
            loaded.calibration.learn_row(change.row, right=change.right, weight=change.weight)
        elif not isinstance(change, AliasSet) or self._has_room(loaded, change):
            loaded.memory.apply(change, vector)

    def _has_room(self, loaded: LoadedScope, change: AliasSet) -> bool:
        return change.question.key in loaded.memory.aliases or loaded.memory.cached < self._max_phrasings

    async def _listen(self) -> None:
        for numbered in await self._log.heard():
            try:
                await self.apply(numbered)
            except (PostgresUnavailable, msgspec.MsgspecError):  # what was missed cannot be read: load it again
                self._scopes.pop(numbered.scope, None)
