"""A request to one of OpenAI's operations and its answer, passed through as bytes; only refusals are read."""

from collections.abc import Mapping

from tidegate.core.clock import Clock
from tidegate.core.errors import UpstreamError
from tidegate.core.rate_limits import ReportedLimits
from tidegate.providers.answer_memory import AnswerMemory
from tidegate.providers.openai_family.errors import classify
from tidegate.providers.openai_family.rate_limit_headers import reported_limits
from tidegate.providers.transport import Exchange


class OpenAIOperationExchange:
    """Implements `tidegate.providers.base.OperationExchange`."""

    def __init__(self, exchange: Exchange, clock: Clock) -> None:
        self._exchange = exchange
        self._clock = clock

    @property
    def status(self) -> int:
        """The answer's status; 0 before `wait_for_head`."""
        return self._exchange.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The answer's headers, by their names in lower case."""
        return self._exchange.headers

    async def wait_for_head(self) -> None:
        """Send the request and wait until its answer begins. Raises UpstreamError, and what a streamed body raises."""
        await self._exchange.wait_for_head()
        if 200 <= self.status < 300:
            self._exchange.begin_content()  # what follows is bounded by silence, not by the time to its first byte

    def reported_limits(self) -> ReportedLimits:
        """Return the rate limits of the `x-ratelimit-*` headers."""
        return reported_limits(self._exchange.headers)

    async def read_some(self) -> bytes:
        """Return the next bytes of the answer; empty at its end. Raises UpstreamError."""
        return await self._exchange.read_some()

    async def read_all(self, memory: AnswerMemory | None = None) -> bytes:
        """Return the whole answer, held by `memory`. Raises UpstreamError."""
        return await self._exchange.read_all(memory)

    async def read_refusal(self) -> UpstreamError:
        """Return what an answer that is no success means. Raises UpstreamError where it cannot be read."""
        body = await self._exchange.read_all()
        self._exchange.close()
        return classify(self.status, self.headers, body, now=self._clock.now())

    def close(self) -> None:
        """Cut the connection, unless the answer was read to its end."""
        self._exchange.close()

    def release(self) -> None:
        """Give the connection back to the pool."""
        self._exchange.release()
