"""What is given when nobody can be asked: a stored answer that is no longer fresh, or the configured reply."""

from tidegate.cache.stale import StaleAnswers
from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.clock import Clock
from tidegate.core.ids import IdSource
from tidegate.core.values import AnswerHead
from tidegate.pipeline.context import RequestContext
from tidegate.wire.canned import canned_answer

CANNED_PROVIDER = "canned"
"""Who is said to have given the configured reply."""


class FallbackAnswers:
    """Finds them."""

    def __init__(self, answers: StaleAnswers, clock: Clock, ids: IdSource) -> None:
        self._answers = answers
        self._clock = clock
        self._ids = ids

    async def stale_answer(self, ticket: RequestContext) -> BufferedAnswer | None:
        """The stored answer to this very question, however old, as far as its plan and its caller allow."""
        answer = await self._answers.find(ticket.fingerprint, stale_for=ticket.plan.stale_seconds)
        if answer is None:
            return None
        age = max(0, int(self._clock.now() - answer.stored_at))
        if ticket.cache_policy.max_age is not None and age > ticket.cache_policy.max_age:
            return None
        return answer.buffered(age=age)

    async def canned_reply(self, ticket: RequestContext) -> BufferedAnswer | None:
        """The reply that the route has ready."""
        reply = ticket.plan.canned
        if reply is None:
            return None
        events = canned_answer(ticket.call, reply.text, digits=self._ids(""), now=self._clock.now())
        if events is None:
            return None
        return BufferedAnswer(
            head=AnswerHead(stream=ticket.call.stream, served_by=CANNED_PROVIDER, echo=ticket.echo), events=events
        )
