"""What verifier and judge say of a question: each is asked by a call of the gateway's own."""

import asyncio
from collections.abc import Sequence
from random import Random

import msgspec

from tidegate.cache.semantic.calibration import Weighed
from tidegate.cache.semantic.prompts import Earlier, right_answer, same_answer
from tidegate.cache.semantic.state.answers import StoredAnswers, text_of_answer
from tidegate.core.config import SemanticConfig
from tidegate.pipeline.semantic.model_calls import ModelCalls
from tidegate.pipeline.semantic.visit import ChosenAnswer, Visit, earlier_question


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What the verifier said."""

    answered: bool
    """Whether it said anything that counts."""
    same: Weighed | None = None
    """The candidate that has the question's answer; None for none of them."""


class Verdicts:
    """Ask verifier and judge. The methods raise RedisUnavailable."""

    def __init__(self, calls: ModelCalls, answers: StoredAnswers, coin: Random, config: SemanticConfig) -> None:
        """`coin` draws the letters of the replies."""
        self._calls = calls
        self._answers = answers
        self._coin = coin
        self._judge = config.judge or ""
        self._verifier = config.verifier or self._judge
        self._verify_seconds = config.verify_seconds
        self._judge_seconds = min(60.0, config.judge_seconds / 4)

    async def same(self, visit: Visit, candidates: Sequence[Weighed], *, waits: bool) -> Comparison:
        """Return which candidate has the question's answer; `waits` says that the caller waits for it."""
        texts = await asyncio.gather(*(self._text(visit, each.candidate.answer) for each in candidates))
        shown = [(each, text) for each, text in zip(candidates, texts, strict=True) if text is not None]
        if not shown:
            return Comparison(answered=True)
        earlier = [Earlier(question=each.candidate.alias.question.key, answer=text) for each, text in shown]
        number = await self._calls.reply(
            "verify" if waits else "compare",
            same_answer(visit.scoped.question.key, earlier, self._coin),
            model=self._verifier,
            project=visit.key.project,
            seconds=self._verify_seconds if waits else self._judge_seconds,
        )
        if number is None:
            return Comparison(answered=False)
        return Comparison(answered=True, same=shown[number][0] if number >= 0 else None)

    async def is_right(self, visit: Visit, given: ChosenAnswer) -> bool | None:
        """Return whether an answer is right; None where the judge does not say. A no needs a second one."""
        earlier = Earlier(question=earlier_question(given), answer=given.text)
        verdict: bool | None = None
        for _ in range(2):
            number = await self._calls.reply(
                "judge",
                right_answer(visit.scoped.question.key, earlier, self._coin),
                model=self._judge,
                project=visit.key.project,
                seconds=self._judge_seconds,
            )
            if number is None:
                return None
            verdict = number == 1
            if verdict:
                break
        return verdict

    async def _text(self, visit: Visit, answer: str) -> str | None:
        found = await self._answers.find(answer, project=visit.key.project)
        return text_of_answer(visit.endpoint, found.answer.body, stream=found.answer.stream) if found else None
