"""Connects commands to PostgreSQL and Redis, and turns their failures into one-line errors. Used by every command."""

import contextlib
import enum
import os
from collections.abc import Iterator

import typer
from pydantic import SecretStr

from tidegate.core.clock import SystemClock
from tidegate.core.config import ConfigError, Settings
from tidegate.core.config.secret_errors import SecretSourceUnavailable
from tidegate.core.config.secret_values import value_of
from tidegate.core.errors import (
    ApiKeyNotFound,
    CallNotFound,
    CredentialNotFound,
    ProjectNotFound,
    RotationRefused,
    StatementPooling,
    StoreError,
)
from tidegate.core.scrub import scrub
from tidegate.secrets.rotation import SecretRotationError
from tidegate.secrets.sources.registry import SecretSources
from tidegate.storage import embedded
from tidegate.storage.embedded import EmbeddedError, StoreUrls
from tidegate.storage.schema.migrate import DatabaseNotUtf8, migrate, pending

_EX_CONFIG, _EX_TEMPFAIL = 78, 75
_UNREACHABLE = "postgresql://127.0.0.1:1/tidegate"
"""For a link that is never used but for audit lines: it refuses each connection."""
_EXPECTED = (
    ConfigError,
    EmbeddedError,
    StoreError,
    ApiKeyNotFound,
    CallNotFound,
    CredentialNotFound,
    ProjectNotFound,
    RotationRefused,
)


class Needs(enum.Flag):
    """The stores that a command needs; it opens no other."""

    POSTGRES = enum.auto()
    REDIS = enum.auto()
    BOTH = POSTGRES | REDIS


@contextlib.contextmanager
def open_stores(settings: Settings, needs: Needs = Needs.BOTH) -> Iterator[StoreUrls]:
    """Yield the addresses of the configured stores, or of the embedded ones in `data_dir`.

    The address of a store that is neither needed nor configured is empty. Embedded stores are started if they are not
    running, and stay up while another process uses them. Raises ConfigError if only one of the two is configured and
    the other one is needed, and EmbeddedError.
    """
    database_url, redis_url = settings.database_url, settings.redis_url
    if database_url is None and redis_url is None:
        with embedded.running(settings.data_dir) as stores:
            yield stores
        return
    if (database_url is None and Needs.POSTGRES in needs) or (redis_url is None and Needs.REDIS in needs):
        raise ConfigError(
            "The command was not run, because it needs a store that is not configured. "
            "Set both TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL, or neither."
        )
    yield StoreUrls(
        database_url=_url("database_url", database_url, settings) if Needs.POSTGRES in needs else "",
        redis_url=_url("redis_url", redis_url, settings) if Needs.REDIS in needs else "",
    )


def _url(setting: str, url: SecretStr | None, settings: Settings) -> str:
    read = SecretSources(settings.secrets, os.environ, SystemClock()).read
    found = value_of(setting, url, lambda reference: read(reference).text)
    return "" if found is None else found.get_secret_value()


def audit_address(settings: Settings, stores: StoreUrls) -> str:
    """Return the address of PostgreSQL for the line of an act, also where the act itself does without PostgreSQL.

    Without PostgreSQL it is an address that refuses: the line goes to the log. Raises ConfigError if its schema is old.
    """
    if stores.database_url:
        return stores.database_url
    try:
        address = _url("database_url", settings.database_url, settings) if settings.database_url else ""
        if missing := pending(address) if address else []:
            raise ConfigError(_schema_is_old(missing))
    except (SecretSourceUnavailable, StoreError):
        return _UNREACHABLE
    return address or _UNREACHABLE


@contextlib.contextmanager
def open_migrated_stores(settings: Settings, needs: Needs = Needs.BOTH) -> Iterator[StoreUrls]:
    """Yield the stores. If PostgreSQL is needed its schema is checked: an embedded one is migrated.

    Raises ConfigError, EmbeddedError, and StoreError.
    """
    with open_stores(settings, needs) as stores:
        if Needs.POSTGRES in needs:
            _check_schema(settings, stores)
        yield stores


def _check_schema(settings: Settings, stores: StoreUrls) -> None:
    if settings.database_url is None:
        migrate(stores.database_url)
    elif missing := pending(stores.database_url):
        raise ConfigError(_schema_is_old(missing))


def _schema_is_old(missing: list[str]) -> str:
    return f"The command was not run: the database lacks {', '.join(missing)}: run `tidegate migrate` first."


@contextlib.contextmanager
def exit_on_error() -> Iterator[None]:
    """Print an expected error as one line on stderr, and exit with its code."""
    try:
        yield
    except _EXPECTED as error:
        typer.secho(scrub(str(error)), err=True, fg=typer.colors.RED)
        raise typer.Exit(exit_code(error)) from error


def exit_code(error: Exception) -> int:
    """Return the exit code by which a platform tells what to do (sysexits.h).

    78: the configuration must be changed first. 75: a store or the source of a secret does not answer, so a later try
    may succeed. 1: anything else.
    """
    if isinstance(error, SecretRotationError):
        return error.exit_code
    is_away = isinstance(error, SecretSourceUnavailable) or (isinstance(error, StoreError) and error.is_outage)
    if is_away or isinstance(error, EmbeddedError):
        return _EX_TEMPFAIL
    return _EX_CONFIG if isinstance(error, ConfigError | StatementPooling | DatabaseNotUtf8) else 1
