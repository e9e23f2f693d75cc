"""Providers over a transport of their own, for tests that call one directly."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from tidegate.core.clock import Clock, ManualClock
from tidegate.core.config import ProviderConfig, UpstreamConfig
from tidegate.providers.base import Credential, Provider, ProviderRequest
from tidegate.providers.openai_family.exchange import OpenAIExchange
from tidegate.providers.openai_family.provider import OpenAIFamilyProvider
from tidegate.providers.registry import make_providers
from tidegate.providers.transport import Transport

SECRET = "sk-proj-nobody-may-see-this"
MAIN = {"name": "main", "api_key": SECRET}


def config_of(base_url: str, **settings: Any) -> ProviderConfig:
    """A provider's configuration with everything said; of OpenAI's kind and with one key unless told otherwise."""
    given = {"kind": "openai", "base_url": base_url, "credentials": [MAIN], "allow_short_timeouts": True, **settings}
    return ProviderConfig.model_validate(given).with_defaults(UpstreamConfig())


@contextlib.asynccontextmanager
async def providers(clock: Clock | None = None, /, **configs: ProviderConfig) -> AsyncIterator[dict[str, Provider]]:
    """Providers by name."""
    async with Transport(max_connections=100) as transport:
        yield make_providers(configs, transport, clock or ManualClock())


@contextlib.asynccontextmanager
async def provider(base_url: str, *, name: str = "openai", **settings: Any) -> AsyncIterator[OpenAIFamilyProvider]:
    """One provider."""
    async with providers(**{name: config_of(base_url, **settings)}) as made:
        one = made[name]
        assert isinstance(one, OpenAIFamilyProvider)
        yield one


async def begun(
    to: OpenAIFamilyProvider, request: ProviderRequest, credential: Credential, headers: Mapping[str, str]
) -> OpenAIExchange:
    """Send a request, and wait until its answer begins."""
    exchange = to.exchange(request, credential, headers)
    await exchange.wait_for_head()
    return exchange
