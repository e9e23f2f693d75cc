"""A turn that a test plays: it comes at once, and a refusal is followed by as many more as were given."""

from tidegate.core.errors import RateLimited, SlowDown
from tidegate.core.said import Said


class PlayedTurn:
    """Implements `tidegate.upstream.asking.Turn`, and notes what it is told."""

    def __init__(self, more: int = 0) -> None:
        self.waited = 0.0
        self.heard: list[str] = []
        self._more = more

    async def come(self) -> None:
        self.heard.append("come")

    def answered(self, said: Said, *, ok: bool) -> None:
        self.heard.append(f"answered {'well' if ok else 'badly'}, {said.requests.limit or 'no'} limit")

    def failed(self) -> None:
        self.heard.append("failed")

    async def again(self, said: Said, error: RateLimited | SlowDown) -> bool:
        self.heard.append(f"refused for {error.retry_after} s, {said.requests.limit or 'no'} limit")
        self._more -= 1
        return self._more >= 0

    def over(self) -> None:
        self.heard.append("over")
