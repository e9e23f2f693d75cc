"""An answer of OpenAI's API: its refusals, its errors inside answers, and its rate-limit headers."""

from typing import Any

from tidegate.core.errors import UpstreamError
from tidegate.core.rate_limits import ReportedLimits
from tidegate.providers.base import ProviderRefusal
from tidegate.providers.exchange import HttpExchange
from tidegate.providers.openai_family.encrypted_reasoning import without_encrypted_reasoning
from tidegate.providers.openai_family.errors import classify, classify_in_stream
from tidegate.providers.openai_family.rate_limit_headers import reported_limits


class OpenAIExchange(HttpExchange):
    """Implements `tidegate.providers.base.ProviderExchange`."""

    def reported_limits(self) -> ReportedLimits:
        """Return the rate limits of the `x-ratelimit-*` headers."""
        return reported_limits(self._exchange.headers)

    async def read_refusal(self) -> ProviderRefusal:
        """Read the error, and whether the call would pass without encrypted reasoning. Raises UpstreamError."""
        headers = self._exchange.headers
        body = await self._exchange.read_all()
        self._exchange.close()
        error = classify(self._exchange.status, headers, body, now=self._clock.now())
        return ProviderRefusal(
            error=error,
            limits=reported_limits(headers, error.message),
            retry=without_encrypted_reasoning(self._request, error),
        )

    def error_in_answer(self, error: Any) -> UpstreamError:
        """Return the typed error of an error object that stands inside an answer."""
        return classify_in_stream(error, request_id=self.request_id)
