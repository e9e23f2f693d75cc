"""Looks at a provider's server: its name, its connection, its certificate and its clock. Sends no key and no call."""

import asyncio
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import structs

from tidegate.core.clock import Clock
from tidegate.doctor.surroundings import ServerFacts

_MAX_HEAD_BYTES = 16_384


async def look_at_server(provider: str, base_url: str, ca_file: Path | None, clock: Clock) -> ServerFacts:
    """Return what a connection to a provider's address shows. The caller bounds its time."""
    parts = urlsplit(base_url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    named = ServerFacts(provider=provider, host=host)
    try:
        await asyncio.get_running_loop().getaddrinfo(host, port)
    except (OSError, UnicodeError) as error:
        return structs.replace(named, dns_error=_reason(error))
    try:
        context = ssl.create_default_context(cafile=ca_file) if tls else None
        if context is not None and ca_file is not None:
            context.load_default_certs()
        reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=_MAX_HEAD_BYTES)
    except ssl.SSLCertVerificationError as error:
        return structs.replace(named, tls_error=error.verify_message)
    except ssl.SSLError as error:
        return structs.replace(named, tls_error=_reason(error))
    except OSError as error:
        return structs.replace(named, connect_error=_reason(error))
    try:
        days = _certificate_days(writer, clock)
        skew = await _skew(reader, writer, f"{parts.path.rstrip('/')}/models", parts.netloc.rpartition("@")[2], clock)
        return structs.replace(named, certificate_days=days, skew=skew)
    finally:
        writer.close()


def _certificate_days(writer: asyncio.StreamWriter, clock: Clock) -> float | None:
    certificate = writer.get_extra_info("peercert") or {}
    ends = certificate.get("notAfter")
    return None if ends is None else (ssl.cert_time_to_seconds(ends) - clock.now()) / 86_400


async def _skew(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, host: str, clock: Clock
) -> float | None:
    """Return how far the server's clock is ahead, by the `Date` of an answer; None where it sends none."""
    began = clock.now()
    writer.write(f"HEAD {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        return None
    now = (began + clock.now()) / 2
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "date":
            return _seconds_ahead(value.strip(), now)
    return None


def _seconds_ahead(date: str, now: float) -> float | None:
    try:
        then = parsedate_to_datetime(date)
    except ValueError:
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    ahead = (then - datetime.fromtimestamp(now, UTC)).total_seconds()
    return 0.0 if -1.0 < ahead <= 0.0 else ahead  # a date has whole seconds


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]
