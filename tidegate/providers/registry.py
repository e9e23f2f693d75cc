"""All providers of the configuration, by name, over one transport."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache

from tidegate.core.clock import Clock
from tidegate.core.config import ProviderConfig
from tidegate.providers.azure import AzureProvider
from tidegate.providers.openai import OpenAIProvider
from tidegate.providers.transport import Transport

_KINDS: Mapping[str, type[OpenAIProvider]] = {
    "openai": OpenAIProvider,
    "azure": AzureProvider,
    "openai_compatible": OpenAIProvider,
}


def make_providers(
    configs: Mapping[str, ProviderConfig], transport: Transport, clock: Clock
) -> dict[str, OpenAIProvider]:
    """A provider for each configuration, with all options set (`Settings.all_providers`)."""
    return {name: _KINDS[config.kind](name, config, transport, clock) for name, config in configs.items()}


class HeaderForwarding:
    """Which of a caller's headers go along to whoever answers."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        """`patterns` of names in lower case."""
        self._patterns = patterns
        self._goes_along = lru_cache(1024)(self._matches)

    def select(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Those of `headers` (lower-case names) that go along; all others stay here."""
        return {name: value for name, value in headers.items() if self._goes_along(name)}

    def _matches(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._patterns)
