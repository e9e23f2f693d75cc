"""`tidegate migrate`: bring the database's schema up to date."""

import typer

from tidegate.cli.stores import exit_on_error, open_stores
from tidegate.core import config
from tidegate.storage.migrate import migrate as apply_missing


def migrate() -> None:
    """Bring the database's schema up to date. Safe to repeat and to run concurrently."""
    with exit_on_error(), open_stores(config.load(with_secrets=False)) as stores:
        applied = apply_missing(stores.database_url)
    typer.echo(f"Applied {', '.join(applied)}." if applied else "The database is up to date.")
