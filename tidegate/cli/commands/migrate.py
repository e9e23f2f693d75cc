"""`tidegate migrate`: bring the database's schema up to date."""

import typer

from tidegate.cli.stores import located, plain_errors
from tidegate.core import config
from tidegate.storage.migrate import migrate as apply_missing


def migrate() -> None:
    """Bring the database's schema up to date. Harmless to repeat, and to run in several places at once."""
    with plain_errors(), located(config.load(with_secrets=False)) as stores:
        applied = apply_missing(stores.database_url)
    typer.echo(f"Applied {', '.join(applied)}." if applied else "The database is up to date.")
