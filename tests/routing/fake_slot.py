"""A turn that a test plays: it comes at once, and a refusal is followed by as many more as were given."""

from collections.abc import Awaitable, Callable

from tidegate.core.errors import SlowDown, UpstreamRateLimited
from tidegate.core.rate_limits import ReportedLimits


class FakeSlot:
    """Implements `tidegate.routing.attempt.Turn`, and notes what it is told."""

    def __init__(self, more: int = 0, *, waits_for: Callable[[], Awaitable[object]] | None = None) -> None:
        self.waited_seconds = 0.0
        self.is_isolated_refusal = False
        self._waits_for = waits_for
        self.log: list[str] = []
        self._more = more
        self._is_taken = False

    def take_at_once(self) -> bool:
        if self._waits_for is not None:
            return False
        self.log.append("come")
        self._is_taken = True
        return True

    async def wait(self) -> None:
        if self._is_taken:
            return
        self.log.append("come")
        if self._waits_for is not None:
            await self._waits_for()

    def report_answer(self, said: ReportedLimits, *, ok: bool) -> None:
        self.log.append(f"answered {'well' if ok else 'badly'}, {said.requests.limit or 'no'} limit")

    def report_failure(self) -> None:
        self.log.append("failed")

    def report_rate_limit(self, said: ReportedLimits, error: UpstreamRateLimited | SlowDown) -> None:
        self.log.append(f"refused for {error.retry_after} s, {said.requests.limit or 'no'} limit")

    async def wait_again(self) -> bool:
        self._more -= 1
        return self._more >= 0

    def release(self) -> None:
        self.log.append("over")

    def decline(self) -> None:
        self.log.append("declined")
