"""Learns off the hot path: what fetched answers and verdicts teach is written to the account and the log of changes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Final

import structlog

from tidegate.cache.semantic.account import AccountChange
from tidegate.cache.semantic.decision import AskInFull
from tidegate.cache.semantic.outcome import Lesson, after_asked
from tidegate.cache.semantic.profile import Vector
from tidegate.cache.semantic.scope import AliasSet, KnownText, ScopeChange, TextLearned
from tidegate.cache.semantic.state.accounts import AccountStore, Act
from tidegate.cache.semantic.state.answers import StoredAnswers, text_of_answer
from tidegate.cache.semantic.state.change_log import ChangeLog, LoggedDecision
from tidegate.cache.semantic.state.changes import LabelNoted, encode_change
from tidegate.cache.semantic.state.memories import LoadedScope, ScopeMemories
from tidegate.core.errors import PostgresUnavailable, RedisUnavailable
from tidegate.pipeline.semantic.resolver import Resolved, Resolver, lesson_of
from tidegate.pipeline.semantic.verdicts import Verdicts
from tidegate.pipeline.semantic.visit import ChosenAnswer, Visit, changes_of, changes_of_lost, decision_line

_WORKERS: Final = 4
_MAX_WAITING: Final = 1000
_CLOSE_SECONDS: Final = 5.0
_NO_CHANGE: Final = AccountChange()

Changes = Sequence[ScopeChange | LabelNoted]
Embed = Callable[[str], Awaitable[Vector | None]]
_log = structlog.get_logger("semantic")


class Learner:
    """Learn what requests teach. Use it between `start` and `close`."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        *,
        log: ChangeLog,
        memories: ScopeMemories,
        accounts: AccountStore,
        answers: StoredAnswers,
        verdicts: Verdicts,
        resolver: Resolver,
        embed: Embed,
        coin: Random,
    ) -> None:
        """`coin` decides which questions that were asked in full are compared."""
        self._log = log
        self._memories = memories
        self._accounts = accounts
        self._answers = answers
        self._verdicts = verdicts
        self._resolver = resolver
        self._embed = embed
        self._coin = coin
        self._waiting: asyncio.Queue[Awaitable[None]] = asyncio.Queue(_MAX_WAITING)
        self._workers: list[asyncio.Task[None]] = []
        self.dropped = 0
        """Lessons for which there was no room. An answer among them counts as wrong, as its verdict never comes."""

    async def start(self) -> None:
        """Begin to learn."""
        self._workers = [asyncio.create_task(self._work(), name=f"semantic-learner-{n}") for n in range(_WORKERS)]

    async def close(self) -> None:
        """Learn what is waiting, within some seconds, and stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._waiting.join()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        while not self._waiting.empty():
            _discard(self._waiting.get_nowait())

    def learn_given(self, visit: Visit, given: ChosenAnswer) -> None:
        """Learn from an answer that is given now."""
        self._put(self._given(visit, given))

    def learn_fetched(self, visit: Visit, resolved: Resolved | None) -> None:
        """Learn from an answer that the model has given; `resolved` is None where the scope was not in memory."""
        self._put(self._fetched(visit, resolved))

    def learn_failed(self, visit: Visit) -> None:
        """Note a question that got no answer which others may get."""
        self._put(self._note(visit))

    def learn_in_shadow(self, visit: Visit) -> None:
        """Decide about a question whose answer was fetched, as if an earlier one could have been given."""
        self._put(self._shadowed(visit))

    def _put(self, lesson: Awaitable[None]) -> None:
        try:
            self._waiting.put_nowait(lesson)
        except asyncio.QueueFull:
            self.dropped += 1
            _discard(lesson)

    async def _work(self) -> None:
        while True:
            lesson = await self._waiting.get()
            try:
                await lesson
            except (RedisUnavailable, PostgresUnavailable):
                pass  # the stores log their outage; what was given stays pending, and counts as wrong
            except Exception:  # noqa: BLE001  # a defect in one lesson must not end the learning of all others
                _log.exception("a lesson of the semantic tier failed")
            finally:
                self._waiting.task_done()

    async def _given(self, visit: Visit, given: ChosenAnswer) -> None:
        loaded = await self._memories.load(visit.key.scope)
        await self._judge(visit, given, loaded, own=None)

    async def _judge(self, visit: Visit, given: ChosenAnswer, loaded: LoadedScope, *, own: TextLearned | None) -> None:
        """Audit an answer if that was decided, and write down what it teaches."""
        right = await self._verdicts.is_right(visit, given) if given.audited else None
        has_no_verdict = given.audited and right is None
        lesson = Lesson() if has_no_verdict else lesson_of(visit, given, loaded, right=right)
        if right is not None:
            wrong = 0.0 if right else 1.0 / max(given.audit_share, 0.1)
            await self._accounts.settle(
                visit.key, visit.rules, Act.JUDGE, visit.request_id, lesson.account, tally_wrong=wrong
            )
        changes = changes_of(lesson, own=own)
        await self._write(visit, loaded, changes, decision_line(visit, given, verdict=right))

    async def _fetched(self, visit: Visit, resolved: Resolved | None) -> None:
        loaded = await self._memories.load(visit.key.scope)
        if not await self._is_stored(visit):
            await self._note(visit)
            return
        lost = changes_lost(resolved, loaded)
        if resolved is None:
            vector = await self._embed(visit.scoped.question.key)
            if vector is None:
                await self._note(visit)
                return
            resolved = self._resolver.as_asked(visit, vector, loaded)
        await self._learn_asked(visit, resolved.in_full, loaded, lost)

    async def _learn_asked(self, visit: Visit, asked: AskInFull, loaded: LoadedScope, lost: Changes) -> None:
        same = None
        compared = bool(asked.candidates) and self._coin.random() < asked.compare_share
        if compared:
            comparison = await self._verdicts.same(visit, asked.candidates, waits=False)
            compared, same = comparison.answered, comparison.same
        lesson = after_asked(asked, visit.scoped.question, visit.fingerprint, compared=compared, same=same)
        line = decision_line(visit, None, verified=asked.verified, compared=compared)
        await self._accounts.settle(visit.key, visit.rules, Act.NOTE, visit.request_id, lesson.account)
        await self._write(visit, loaded, [*lost, *changes_of(lesson)], line)

    async def _shadowed(self, visit: Visit) -> None:
        loaded = await self._memories.load(visit.key.scope)
        vector = await self._embed(visit.scoped.question.key)
        if vector is None or not await self._is_stored(visit):
            await self._note(visit)
            return
        resolved = await self._resolver.resolve(visit, vector, loaded)
        if resolved.chosen is None:
            await self._learn_asked(visit, resolved.in_full, loaded, changes_lost(resolved, loaded))
            return
        own = TextLearned(key=visit.scoped.question.key, known=KnownText(answer=visit.fingerprint))
        await self._judge(visit, resolved.chosen, loaded, own=own)

    async def _note(self, visit: Visit) -> None:
        await self._accounts.settle(visit.key, visit.rules, Act.NOTE, visit.request_id, _NO_CHANGE)

    async def _is_stored(self, visit: Visit) -> bool:
        """Return whether the fetched answer is stored, and one that others may get: no alias without its answer."""
        found = await self._answers.find(visit.fingerprint, project=visit.key.project)
        if found is None:
            return False
        return text_of_answer(visit.endpoint, found.answer.body, stream=found.answer.stream) is not None

    async def _write(self, visit: Visit, loaded: LoadedScope, changes: Changes, line: LoggedDecision) -> None:
        """Write changes and decision to PostgreSQL, and apply them here. While it is away, they are not learned."""
        kept = [each for each in changes if not isinstance(each, AliasSet) or self._has_room(loaded, each)]
        with contextlib.suppress(PostgresUnavailable):
            numbered = await self._log.append(
                project=visit.key.project,
                scope=visit.key.scope,
                changes=[encode_change(each) for each in kept],
                end_user=visit.end_user,
                decision=line,
            )
            await self._memories.apply(numbered)
            await self._log.spread(numbered)

    def _has_room(self, loaded: LoadedScope, change: AliasSet) -> bool:
        return change.question.key in loaded.memory.aliases or self._memories.may_add(loaded, change.answer)


def changes_lost(resolved: Resolved | None, loaded: LoadedScope) -> Changes:
    """Return what takes answers out of a scope that are no longer stored."""
    if resolved is None:
        return []
    return [change for answer in resolved.lost for change in changes_of_lost(answer, loaded)]


def _discard(lesson: Awaitable[None]) -> None:
    close = getattr(lesson, "close", None)
    if close is not None:
        close()
