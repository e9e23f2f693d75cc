"""Connects commands to PostgreSQL and Redis, and turns their failures into one-line errors. Used by every command."""

import contextlib
from collections.abc import Iterator

import typer

from tidegate.core.config import ConfigError, Settings
from tidegate.core.errors import CredentialNotFound, StoreError
from tidegate.storage import embedded
from tidegate.storage.embedded import EmbeddedError, StoreUrls
from tidegate.storage.migrate import migrate, pending


@contextlib.contextmanager
def open_stores(settings: Settings) -> Iterator[StoreUrls]:
    """Yield the addresses of the configured stores, or of the embedded ones in `data_dir`.

    Embedded stores are started if they are not running, and stay up while another process uses them.
    Raises ConfigError if only one of the two is configured, and EmbeddedError.
    """
    database_url, redis_url = settings.database_url, settings.redis_url
    if database_url is not None and redis_url is not None:
        yield StoreUrls(database_url=database_url.get_secret_value(), redis_url=redis_url.get_secret_value())
        return
    if database_url is not None or redis_url is not None:
        raise ConfigError("Set both TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL, or neither.")
    with embedded.running(settings.data_dir) as stores:
        yield stores


@contextlib.contextmanager
def open_migrated_stores(settings: Settings) -> Iterator[StoreUrls]:
    """Yield the stores after checking the schema: embedded ones are migrated, others must be up to date.

    Raises ConfigError, EmbeddedError, and StoreError.
    """
    with open_stores(settings) as stores:
        if settings.database_url is None:
            migrate(stores.database_url)
        elif missing := pending(stores.database_url):
            raise ConfigError(
                f"The command was not run: the database lacks {', '.join(missing)}: run `tidegate migrate` first."
            )
        yield stores


@contextlib.contextmanager
def exit_on_error() -> Iterator[None]:
    """Print an expected error as one line on stderr and exit with code 1."""
    try:
        yield
    except (ConfigError, EmbeddedError, StoreError, CredentialNotFound) as error:
        typer.secho(str(error), err=True, fg=typer.colors.RED)
        raise typer.Exit(1) from error
