"""What is given when nobody can be asked: a stored answer that is no longer fresh, or the configured reply."""

from tidegate.cache.stale import StaleAnswers
from tidegate.core.clock import Clock
from tidegate.core.ids import IdSource
from tidegate.core.values import AnswerHead, Ready
from tidegate.pipeline.context import Ticket
from tidegate.wire.answer_form import events_of
from tidegate.wire.canned import canned

CANNED = "canned"
"""Who is said to have given the configured reply."""


class Spares:
    """Finds them."""

    def __init__(self, answers: StaleAnswers, clock: Clock, ids: IdSource) -> None:
        self._answers = answers
        self._clock = clock
        self._ids = ids

    async def stale(self, ticket: Ticket) -> Ready | None:
        """The stored answer to this very question, however old, as far as its plan and its caller allow."""
        answer = await self._answers.stale(ticket.fingerprint, stale_for=ticket.plan.stale_for)
        if answer is None:
            return None
        age = max(0, int(self._clock.now() - answer.at))
        if ticket.policy.max_age is not None and age > ticket.policy.max_age:
            return None
        head = AnswerHead(
            stream=answer.stream,
            served_by=answer.served_by,
            echo=answer.echo,
            stale=True,
            age=age,
            adapted=answer.adapted,
        )
        return Ready(head=head, events=tuple(events_of(answer.body)) if answer.stream else (answer.body,))

    async def canned(self, ticket: Ticket) -> Ready | None:
        """The reply that the route has ready."""
        reply = ticket.plan.canned
        if reply is None:
            return None
        events = canned(ticket.call, reply.text, digits=self._ids(""), now=self._clock.now())
        if events is None:
            return None
        return Ready(head=AnswerHead(stream=ticket.call.stream, served_by=CANNED, echo=ticket.echo), events=events)
