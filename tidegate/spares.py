"""What is given when nobody can be asked: a stored answer that is no longer fresh, or the configured reply."""

from tidegate.core.values import Ready
from tidegate.ticket import Ticket


class Spares:
    """Finds them."""

    async def stale(self, ticket: Ticket) -> Ready | None:
        """The stored answer to this very question, however old, as far as its plan and its caller allow."""

    async def canned(self, ticket: Ticket) -> Ready | None:
        """The reply that the route has ready."""
