"""An answer that is all here already: a stored one."""

from tidegate.core.values import AnswerHead


class BufferedSource:
    """Looks to a passenger like a flight that has landed, and to a flight like a source."""

    cost_nanos = 0
    """Giving it again is free."""

    def __init__(self, head: AnswerHead, events: list[bytes]) -> None:
        self._head = head
        self._events = events
        self._unread = events

    def subscribe(self) -> None:
        """Anybody may."""

    def unsubscribe(self) -> None:
        """Nobody waits for it."""

    async def head(self) -> AnswerHead:
        """What it is."""
        return self._head

    async def event(self, index: int) -> bytes | None:
        """Its event number `index`; None past the end."""
        return self._events[index] if index < len(self._events) else None

    async def open(self) -> AnswerHead:
        """What it is."""
        return self._head

    async def more(self) -> list[bytes]:
        """All of it, once."""
        events, self._unread = self._unread, []
        return events

    async def abandon(self) -> None:
        """Nothing is left behind."""
