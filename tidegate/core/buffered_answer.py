"""A complete answer in memory: a stored one, a stale one, or a canned reply."""

from collections.abc import Callable, Sequence

from tidegate.core.errors import TidegateError
from tidegate.core.values import AnswerHead


class BufferedAnswer:
    """Offer a complete answer to readers as a finished flight does, and to a flight as its source."""

    cost_nanos = 0
    """Giving the answer costs nothing."""

    def __init__(self, head: AnswerHead, events: Sequence[bytes]) -> None:
        """`events` are the events of a stream, or one whole body."""
        self.on_unused: Callable[[], None] | None = None
        """Called when a reader has left; it must bear being called again."""
        self.answer_head = head
        self.events = events
        self.is_over = False

    def subscribe(self) -> None:
        """Do nothing: the number of readers does not matter."""

    def unsubscribe(self, error: TidegateError | None = None) -> None:  # noqa: ARG002  # the protocol's signature
        """Give back what the answer held; there is no upstream call to end."""
        if self.on_unused is not None:
            self.on_unused()

    async def head(self) -> AnswerHead:
        """Return the head."""
        return self.answer_head

    async def event(self, index: int) -> bytes | None:
        """Return event number `index`; None past the end."""
        return self.events[index] if index < len(self.events) else None

    async def open(self) -> AnswerHead:
        """Return the head."""
        return self.answer_head

    async def more(self) -> list[bytes]:
        """Return all events once, then nothing."""
        events = () if self.is_over else self.events
        self.is_over = True
        return list(events)

    async def leave(self) -> None:
        """Do nothing: there is no upstream call."""

    async def abandon(self, error: TidegateError | None = None) -> None:  # the protocol's signature
        """Do nothing: there is no upstream call to end."""
