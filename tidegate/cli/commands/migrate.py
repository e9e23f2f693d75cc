"""`tidegate migrate`: bring the database's schema up to date."""

from typing import Annotated

import typer

from tidegate.cli.recorded import record_done
from tidegate.cli.stores import Needs, exit_on_error, open_stores
from tidegate.core import config
from tidegate.storage.schema.migrate import migrate as apply_missing
from tidegate.storage.schema.migrate import pending, pending_steps


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Apply nothing. Exit with 1 if the schema is not up to date.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Apply nothing. Print the SQL that would run.")] = False,
) -> None:
    """Bring the database's schema up to date. Safe to repeat, to interrupt and to run concurrently."""
    with exit_on_error(), open_stores(config.load(with_secrets=False), Needs.POSTGRES) as stores:
        if dry_run:
            _print_sql(stores.database_url)
        elif check:
            _check(stores.database_url)
        else:
            applied = apply_missing(stores.database_url)
            if applied:
                record_done(stores.database_url)
            typer.echo(f"Applied {', '.join(applied)}." if applied else "The database is up to date.")


def _check(database_url: str) -> None:
    missing = pending(database_url)
    if missing:
        typer.echo(f"The database lacks {', '.join(missing)}. Run `tidegate migrate`.")
        raise typer.Exit(1)
    typer.echo("The database is up to date.")


def _print_sql(database_url: str) -> None:
    for step in pending_steps(database_url):
        typer.echo(f"-- {step.name}\n{step.sql}")
