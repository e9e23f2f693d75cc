"""Answers for when no target can answer: a stored answer that is no longer fresh, or the canned reply."""

from tidegate.cache.stale import StaleAnswers
from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.clock import Clock
from tidegate.core.ids import IdSource
from tidegate.core.values import AnswerHead
from tidegate.pipeline.context import RequestContext
from tidegate.wire.canned import canned_answer

CANNED_PROVIDER = "canned"
"""The provider that responses name for a canned reply."""


class FallbackAnswers:
    """Find stale answers, and build canned replies."""

    def __init__(self, answers: StaleAnswers, clock: Clock, ids: IdSource) -> None:
        self._answers = answers
        self._clock = clock
        self._ids = ids

    async def stale_answer(self, context: RequestContext) -> BufferedAnswer | None:
        """Return the stored answer to the same call, however old, if its plan and its caller allow it."""
        answer = await self._answers.find(context.fingerprint, stale_for=context.plan.stale_seconds)
        if answer is None:
            return None
        age = max(0, int(self._clock.now() - answer.stored_at))
        if context.cache_policy.max_age is not None and age > context.cache_policy.max_age:
            return None
        return answer.buffered(age=age)

    async def canned_reply(self, context: RequestContext) -> BufferedAnswer | None:
        """Return the canned reply of the call's route, if there is one."""
        reply = context.plan.canned
        if reply is None:
            return None
        events = canned_answer(context.call, reply.text, digits=self._ids(""), now=self._clock.now())
        if events is None:
            return None
        return BufferedAnswer(
            head=AnswerHead(stream=context.call.stream, served_by=CANNED_PROVIDER, echo=context.echo), events=events
        )
