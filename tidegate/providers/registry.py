"""The kinds of providers, and one provider for each configured one.

To add a kind: write a package that implements `tidegate.providers.base.Provider`, add its line to `PROVIDER_CLASSES`,
and add the kind with its configuration keys to `tidegate.core.config.sections.providers`.
"""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache

from tidegate.core.clock import Clock
from tidegate.core.config import ProviderConfig
from tidegate.providers.base import Provider
from tidegate.providers.openai_family.azure import AzureProvider
from tidegate.providers.openai_family.openai import OpenAIProvider
from tidegate.providers.openai_family.openai_compatible import OpenAICompatibleProvider
from tidegate.providers.transport import Transport

ProviderClass = Callable[[str, ProviderConfig, Transport, Clock], Provider]
"""Makes a provider from its name and configuration."""

PROVIDER_CLASSES: Mapping[str, ProviderClass] = {
    "openai": OpenAIProvider,
    "azure": AzureProvider,
    "openai_compatible": OpenAICompatibleProvider,
}
"""By the configured `kind`."""


def make_providers(
    configs: Mapping[str, ProviderConfig],
    transport: Transport,
    clock: Clock,
    *,
    classes: Mapping[str, ProviderClass] = PROVIDER_CLASSES,
) -> dict[str, Provider]:
    """Return a provider for each configuration, which has its defaults filled in (`Settings.all_providers`)."""
    return {name: classes[config.kind](name, config, transport, clock) for name, config in configs.items()}


_NEVER_FORWARDED = frozenset(
    {
        "accept-encoding", "api-key", "authorization", "connection", "content-encoding", "content-length",
        "content-type", "cookie", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te",
        "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
"""What belongs to one connection (RFC 9110, 7.6.1), describes the caller's own body, or is a secret of the caller."""


_OWN = "x-tidegate-"
"""With which the headers begin that are addressed to the gateway."""


class HeaderForwarding:
    """Selects the caller's headers that are forwarded to the provider."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        """Forward headers whose names match one of `patterns`, in lower case."""
        self._patterns = patterns
        self._is_forwarded = lru_cache(1024)(self._matches)
        self._forwarded = lru_cache(128)(self._names_forwarded)

    def select(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the forwarded ones of `headers`, whose names are in lower case."""
        forwarded = self._forwarded(tuple(headers))
        return {name: headers[name] for name in forwarded} if forwarded else {}

    def _names_forwarded(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(filter(self._is_forwarded, names))

    def _matches(self, name: str) -> bool:
        if name in _NEVER_FORWARDED or name.startswith(_OWN):
            return False
        return any(fnmatchcase(name, pattern) for pattern in self._patterns)
