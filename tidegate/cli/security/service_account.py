"""Makes the new key of an OpenAI service account, and deletes the old account when no process uses its key any more."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import msgspec
import typer

from tidegate.cli.security.new_values import credential_of, settings_with
from tidegate.cli.stores import Needs, open_stores
from tidegate.core.clock import SystemClock
from tidegate.core.config import ConfigError, Settings
from tidegate.core.config.secret_reference import SecretReference, parse_reference
from tidegate.core.errors import RedisUnavailable
from tidegate.secrets.key_reports import read_reported_keys, report_seconds
from tidegate.secrets.openai_accounts import ProjectKey, ServiceAccountKey, ServiceAccounts
from tidegate.secrets.retirement import OldKey, quiet_seconds
from tidegate.secrets.rotation import RotationUncertain, SecretRotationError
from tidegate.secrets.sources.reading import fingerprint
from tidegate.secrets.sources.registry import SecretSources
from tidegate.storage.redis import RedisLink

_LOOK_SECONDS = 5.0
_PATIENCE = 3.0
"""The old key is waited for so many times as long as it must be quiet; afterwards it is left."""


class OldKeyInUse(SecretRotationError):
    """The old key was not deleted, because it may be in use."""

    name = "old_key_in_use"
    exit_code: ClassVar[int] = 75


class AccountOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says of the service account."""

    name: str
    project: str
    admin_key: str
    """The place of the admin key."""
    delete_old: bool


class AccountRotation:
    """The change from one service account to another."""

    def __init__(self, settings: Settings, reference: SecretReference, options: AccountOptions) -> None:
        """Read the admin key. Raises SecretError, and ConfigError where the secret is no key of OpenAI."""
        self._settings = settings
        self._reference = reference
        self._options = options
        self._accounts = ServiceAccounts(_base_url(settings, reference), options.project, self._admin_key())
        self._old: ProjectKey | None = None

    def __repr__(self) -> str:
        return f"<AccountRotation of {self._reference}>"

    def find_old(self, old_key: str) -> None:
        """Find the account of the old key, if it shall be deleted. Raises SecretError."""
        if self._options.delete_old:
            self._old = self._accounts.key_of(old_key)

    @contextmanager
    def new_key(self) -> Iterator[ServiceAccountKey]:
        """Yield a new account with its key; delete it if the block fails. Raises SecretError."""
        made = self._accounts.create(self._options.name)
        try:
            yield made
        except RotationUncertain:
            raise
        except BaseException:  # Ctrl-C, too: no account may be left over
            self._accounts.delete(made.account)
            raise

    def delete_old(self, old_key: str, new_key: str) -> str:
        """Wait until no process uses the old key, and delete its account; return the account's id, empty for none.

        Raises OldKeyInUse where it stays in use.
        """
        if self._old is None:
            return ""
        asyncio.run(self._until_unused(self._old, fingerprint(old_key), fingerprint(new_key)))
        self._accounts.delete(self._old.account)
        return self._old.account

    async def _until_unused(self, old: ProjectKey, old_fingerprint: str, new_fingerprint: str) -> None:
        settings = self._settings
        quiet = _quiet_seconds(settings)
        state = OldKey(replaced_at=time.time(), quiet_seconds=quiet)
        until = time.monotonic() + _PATIENCE * quiet
        with open_stores(settings, Needs.REDIS) as stores:
            redis = RedisLink(stores.redis_url, timeout=2.0, clock=SystemClock(), ca_file=settings.redis.ca_file)
            await redis.start()
            typer.echo(f"The old key must be unused for {quiet:.0f} s before it is deleted.", err=True)
            try:
                while (left := await self._seconds_left(state, redis, old_fingerprint, new_fingerprint)) > 0:
                    if time.monotonic() >= until:
                        raise OldKeyInUse(
                            f"The new key is in use. The old service account {old.account} was not deleted: its "
                            "key was in use, or no gateway reported its keys. Delete it at OpenAI when it is unused."
                        )
                    await asyncio.sleep(min(left, _LOOK_SECONDS))
            finally:
                await redis.close()

    async def _seconds_left(self, state: OldKey, redis: RedisLink, old_fingerprint: str, new_fingerprint: str) -> float:
        """Ask the gateways and OpenAI who uses the old key; return for how long it must still be unused."""
        try:
            reported = await read_reported_keys(redis, self._settings.redis.prefix)
        except RedisUnavailable:
            state.note_unknown(time.time())
            return state.seconds_left(time.time())
        if old_fingerprint in reported.last_used:
            state.note_use(reported.last_used[old_fingerprint] + time.time() - reported.now)
        if new_fingerprint in reported.last_used:
            state.note_new_key()
        if self._old is not None:
            seen = await asyncio.to_thread(self._accounts.last_used_at, self._old.id)
            state.note_use(seen or 0.0)
        return state.seconds_left(time.time())

    def _admin_key(self) -> str:
        place = self._options.admin_key
        try:
            reference = parse_reference(place)
        except ValueError as error:
            raise ConfigError(f"Nothing was changed: the place of the admin key cannot be used: {error}.") from error
        if reference is None:  # it may be the key itself, which must not be repeated
            raise ConfigError("Nothing was changed: give the place of the admin key, such as env:OPENAI_ADMIN_KEY.")
        return SecretSources(self._settings.secrets, os.environ, SystemClock()).read(reference).text


def _base_url(settings: Settings, reference: SecretReference) -> str:
    for setting in settings_with(settings, reference):
        credential = credential_of(setting)
        provider = settings.all_providers.get(credential[0]) if credential is not None else None
        if provider is not None and provider.kind == "openai" and provider.base_url is not None:
            return provider.base_url
    raise ConfigError(f"Nothing was changed: no setting uses {reference} as a key of OpenAI.")


def _quiet_seconds(settings: Settings) -> float:
    refresh = settings.secrets.refresh_seconds
    longest = max(provider.total_seconds or 0.0 for provider in settings.all_providers.values())
    return quiet_seconds(refresh_seconds=refresh, longest_call_seconds=longest, report_seconds=report_seconds(refresh))
