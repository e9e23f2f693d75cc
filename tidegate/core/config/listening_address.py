"""Refuse an upstream that is the gateway itself: each call would come back to it without end."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from tidegate.core.config.environment import honoured_source
from tidegate.core.config.section import ConfigError
from tidegate.core.config.sections.providers import OPENAI_PROVIDER
from tidegate.core.config.sections.server import ServerConfig
from tidegate.core.config.settings import Settings

_LOCALHOST = {"127.0.0.1", "::1"}
_WILDCARDS = {"", "0.0.0.0", "::"}  # compared, not listened on


def reject_listening_address(settings: Settings, environ: Mapping[str, str]) -> None:
    """Raise ConfigError for a provider whose address is the one that the gateway listens on."""
    for name, provider in settings.all_providers.items():
        url = str(provider.base_url or "")
        if not _is_listening(url, settings.server):
            continue
        setting = f"providers.{name}.base_url"
        if name == OPENAI_PROVIDER and url == settings.upstream.base_url:
            setting = honoured_source(("upstream", "base_url"), url, environ) or "upstream.base_url"
        raise ConfigError(
            f"{setting} is the address that this gateway listens on, so each call would come back to it. "
            "The gateway was not started. Set upstream.base_url to the provider's address, or let the gateway listen "
            "on another port."
        )


def _is_listening(url: str, server: ServerConfig) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:  # not an address, which the provider says better
        return False
    if not server.port or port != server.port or not parts.hostname:
        return False
    theirs = _addresses(parts.hostname)
    if server.host in _WILDCARDS:
        return any(_is_local(address) for address in theirs)
    return bool(theirs & _addresses(server.host))


def _addresses(host: str) -> set[str]:
    return _LOCALHOST if host.lower() == "localhost" else {host.lower()}


def _is_local(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed.is_loopback or parsed.is_unspecified
