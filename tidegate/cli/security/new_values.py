"""Tests a new value of a secret where it will be used, before anything uses it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from pydantic import SecretStr

from tidegate.core.clock import SystemClock
from tidegate.core.config import ConfigError, Settings
from tidegate.core.config.secret_reference import SecretReference
from tidegate.core.config.secret_values import configured_secrets, with_values
from tidegate.core.config.sections.providers import OPENAI_PROVIDER
from tidegate.core.errors import PostgresUnavailable
from tidegate.providers.base import Provider
from tidegate.providers.registry import make_providers
from tidegate.providers.transport import Transport
from tidegate.providers.upstream_keys import KeyVerdict, verdict_on
from tidegate.secrets.rotation import NewSecretRefused, NewSecretUntested
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis_nodes import RedisNodes


@asynccontextmanager
async def probing_providers(settings: Settings) -> AsyncIterator[Mapping[str, Provider]]:
    """Yield the providers for probes, which bring their own keys."""
    async with Transport(max_connections=10) as transport:
        readable = with_values(settings, lambda _: "sk-not-read")
        yield make_providers(readable.all_providers, transport, SystemClock())


def credential_of(setting: str) -> tuple[str, str] | None:
    """Return the names of provider and credential whose key a setting has; None for a setting of another kind."""
    if setting == "upstream.api_key":
        return OPENAI_PROVIDER, "default"
    provider, _, credential = setting.removeprefix("providers.").partition(".credentials.")
    return (provider, credential) if credential else None


def settings_with(settings: Settings, reference: SecretReference) -> tuple[str, ...]:
    """Return the settings that take their secret from a place. Raises ConfigError where there is none."""
    found = tuple(each.setting for each in configured_secrets(settings) if each.reference == reference)
    if not found:
        raise ConfigError(
            f"The secret {reference} was not changed: no setting refers to it, so a new value cannot be tested. "
            "Run the command with the gateway's configuration."
        )
    return found


def check_new_value(settings: Settings, reference: SecretReference, text: str) -> None:
    """Test a new value in each setting that refers to its place.

    A key is probed by the provider's free request, and the address of a store by a connection. Raises SecretError.
    """
    for setting in settings_with(settings, reference):
        asyncio.run(_check(settings, setting, reference, text))


async def _check(settings: Settings, setting: str, reference: SecretReference, text: str) -> None:
    if setting == "database_url":
        is_accepted = await _is_postgres_there(text, settings.database.timeout_seconds)
    elif setting == "redis_url":
        is_accepted = await _is_redis_there(text, settings)
    elif (credential := credential_of(setting)) is not None:
        is_accepted = await _is_key_good(settings, credential, reference, text)
    else:
        return  # it has no meaning outside of the gateway: its form was checked
    if not is_accepted:
        raise NewSecretRefused(
            f"The secret {reference} was not changed: the new value cannot be used as {setting}. "
            "The old value stays in use."
        )


async def _is_key_good(settings: Settings, credential: tuple[str, str], reference: SecretReference, text: str) -> bool:
    async with probing_providers(settings) as providers:
        verdict = await verdict_on(providers[credential[0]], credential[1], SecretStr(text))
    if verdict is KeyVerdict.UNKNOWN:
        raise NewSecretUntested(
            f"The secret {reference} was not changed: the provider {credential[0]} did not answer, so the key could "
            "not be tested. The old value stays in use. Try again later."
        )
    return verdict is KeyVerdict.GOOD


async def _is_postgres_there(url: str, timeout_seconds: float) -> bool:
    postgres = Postgres(url, size=1, timeout=timeout_seconds)
    try:
        await postgres.ping()
    except PostgresUnavailable:
        return False
    finally:
        await postgres.close()
    return True


async def _is_redis_there(url: str, settings: Settings) -> bool:
    try:
        nodes = RedisNodes(url, ca_file=settings.redis.ca_file)
    except ConfigError:
        return False
    return await nodes.use_url(url)
