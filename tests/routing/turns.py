"""A turn that a test plays: it comes at once, and a refusal is followed by as many more as were given."""

from collections.abc import Awaitable, Callable

from tidegate.core.errors import RateLimited, SlowDown
from tidegate.core.rate_limits import Said


class PlayedTurn:
    """Implements `tidegate.routing.attempt.Turn`, and notes what it is told."""

    def __init__(self, more: int = 0, *, waits_for: Callable[[], Awaitable[object]] | None = None) -> None:
        self.waited = 0.0
        self._waits_for = waits_for
        self.heard: list[str] = []
        self._more = more

    async def come(self) -> None:
        self.heard.append("come")
        if self._waits_for is not None:
            await self._waits_for()

    def answered(self, said: Said, *, ok: bool) -> None:
        self.heard.append(f"answered {'well' if ok else 'badly'}, {said.requests.limit or 'no'} limit")

    def failed(self) -> None:
        self.heard.append("failed")

    def refused(self, said: Said, error: RateLimited | SlowDown) -> None:
        self.heard.append(f"refused for {error.retry_after} s, {said.requests.limit or 'no'} limit")

    async def again(self) -> bool:
        self._more -= 1
        return self._more >= 0

    def over(self) -> None:
        self.heard.append("over")

    def decline(self) -> None:
        self.heard.append("declined")
