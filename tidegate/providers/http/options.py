"""How a provider is connected to: its timeouts, its proxy, and the authorities that it is trusted by."""

import ssl
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import msgspec

from tidegate.core.config import ProviderConfig


class ConnectionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider is connected to, and its timeouts."""

    connect_seconds: float
    """To look up the name, to connect, and for the handshake of TLS."""
    first_byte_seconds: float
    idle_seconds: float
    total_seconds: float
    max_answer_bytes: int
    proxy: str | None = None
    tls: ssl.SSLContext | None = None
    """None: the system's authorities."""
    section: str = "upstream"
    """The section of the configuration that sets these."""


def connection_options(config: ProviderConfig, *, section: str = "upstream") -> ConnectionOptions:
    """Return the connection options of a provider whose configuration has its defaults filled in."""
    return ConnectionOptions(
        **{name: getattr(config, name) for name in _OPTION_FIELDS},
        proxy=_proxy(config.base_url or ""),  # once, not at each request: that would read ~/.netrc in a thread
        tls=_ssl_context(config.ca_file),
        section=section,
    )


_OPTION_FIELDS = ("connect_seconds", "first_byte_seconds", "idle_seconds", "total_seconds", "max_answer_bytes")


def _proxy(url: str) -> str | None:
    """The environment's proxy for an address (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY)."""
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy  # many write `proxy:3128`


def _ssl_context(ca_file: Path | None) -> ssl.SSLContext | None:
    if ca_file is None:
        return None
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=str(ca_file))
    return context
