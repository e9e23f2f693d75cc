"""Finds out whether a question gets an earlier answer, and writes that down in the account before it is given."""

from random import Random
from typing import Final

import msgspec

from tidegate.cache.semantic.account import AccountChange
from tidegate.cache.semantic.decision import AskInFull, Decision, Serve, Verify, after_verdict
from tidegate.cache.semantic.outcome import Lesson, after_repeat, after_served
from tidegate.cache.semantic.prior import Prior
from tidegate.cache.semantic.profile import Vector
from tidegate.cache.semantic.state.accounts import AccountStore, Act
from tidegate.cache.semantic.state.answers import FoundAnswer, StoredAnswers, text_of_answer
from tidegate.cache.semantic.state.memories import LoadedScope
from tidegate.pipeline.semantic.verdicts import Verdicts
from tidegate.pipeline.semantic.visit import ChosenAnswer, RepeatedText, Visit, again, asked_in_full, near_miss

_NO_CHANGE: Final = AccountChange()


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out of a question: `chosen`, or else `in_full`."""

    chosen: ChosenAnswer | None = None
    found: FoundAnswer | None = None
    """The stored answer that is given."""
    in_full: AskInFull = AskInFull()
    closed: bool = False
    """Whether the account closed before the answer could be given."""
    lost: tuple[str, ...] = ()
    """Answers that would have been given, and are no longer stored."""


class Resolver:
    """Resolve questions. Its method raises RedisUnavailable."""

    def __init__(
        self, accounts: AccountStore, answers: StoredAnswers, verdicts: Verdicts, prior: Prior, coin: Random
    ) -> None:
        """`coin` decides what is audited."""
        self._accounts = accounts
        self._answers = answers
        self._verdicts = verdicts
        self._prior = prior
        self._coin = coin

    async def resolve(
        self, visit: Visit, vector: Vector, loaded: LoadedScope, *, max_age: int | None = None
    ) -> Resolved:
        """Return the answer to give, written down already, or how the question is asked in full."""
        lost: tuple[str, ...] = ()
        repeated = again(visit, loaded)
        if repeated is not None:
            resolved = await self._give(visit, repeated, loaded, max_age)
            if resolved.chosen is not None:
                return resolved
            lost = resolved.lost
        decision = near_miss(visit, vector, loaded, self._prior)
        if isinstance(decision, Verify):
            decision = await self._verify(visit, decision)
        if not isinstance(decision, Serve):
            return Resolved(in_full=asked_in_full(decision), lost=lost)
        resolved = await self._give(visit, decision, loaded, max_age)
        return msgspec.structs.replace(resolved, lost=(*lost, *resolved.lost))

    def as_asked(self, visit: Visit, vector: Vector, loaded: LoadedScope) -> Resolved:
        """Return how a question is asked in full whose scope was not in memory when it came."""
        return Resolved(in_full=asked_in_full(near_miss(visit, vector, loaded, self._prior)))

    async def _verify(self, visit: Visit, decision: Verify) -> Decision:
        comparison = await self._verdicts.same(visit, decision.shown, waits=True)
        if not comparison.answered:
            return asked_in_full(decision)
        return after_verdict(decision, comparison.same, visit.figures, visit.rules, scope_open=visit.is_scope_open)

    async def _give(
        self, visit: Visit, served: Serve | RepeatedText, loaded: LoadedScope, max_age: int | None
    ) -> Resolved:
        asked = asked_in_full(served) if isinstance(served, Serve) else AskInFull()
        answer = served.known.answer if isinstance(served, RepeatedText) else served.chosen.candidate.answer
        found = await self._answers.find(answer, project=visit.key.project, max_age=max_age)
        text = found and text_of_answer(visit.endpoint, found.answer.body, stream=found.answer.stream)
        if found is None or not text:
            return Resolved(in_full=asked, lost=(answer,) if max_age is None else ())
        audited = self._coin.random() < served.audit_share
        given = ChosenAnswer(served=served, audited=audited, text=text, saved_nanos=found.saved_nanos)
        if not await self._write_down(visit, given, loaded):
            return Resolved(in_full=asked, closed=True)
        return Resolved(chosen=given, found=found)

    async def _write_down(self, visit: Visit, given: ChosenAnswer, loaded: LoadedScope) -> bool:
        if given.audited:
            act, change = Act.HOLD, _NO_CHANGE
        else:
            change = lesson_of(visit, given, loaded, right=None).account
            act = Act.CHARGE if given.risk > 0 else Act.NOTE
        return await self._accounts.settle(visit.key, visit.rules, act, visit.request_id, change)


def lesson_of(visit: Visit, given: ChosenAnswer, loaded: LoadedScope, *, right: bool | None) -> Lesson:
    """Return what an answer that was given teaches; `right` is None where it was not audited."""
    question, served = visit.scoped.question, given.served
    if isinstance(served, Serve):
        attracted = loaded.memory.texts.get(served.chosen.candidate.alias.question.key)
        return after_served(served, question, visit.figures, right=right, attracted=attracted)
    if served.repeat is None:
        return Lesson()
    return after_repeat(question.key, served.repeat, visit.figures, right=right)
