"""`tidegate config`: check the configuration without a network, and show where each value comes from."""

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tidegate.cli.context import print_table
from tidegate.cli.stores import exit_on_error
from tidegate.core import config
from tidegate.core.config import Settings
from tidegate.core.config.listening_address import reject_listening_address
from tidegate.core.config.origins import DEFAULT, config_values
from tidegate.metering import price_list

config_app = typer.Typer(no_args_is_help=True, help="Check the configuration, and show where its values come from.")


@config_app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="The configuration file. Default: TIDEGATE_CONFIG, or tidegate.toml.")
    ] = None,
) -> None:
    """Check the configuration and exit with 0, or with 78 and a sentence. Uses no network and reads no secret."""
    with exit_on_error():
        settings = _load(file)
        reject_listening_address(settings, os.environ)
        price_list.load(settings.metering.price_file)
    typer.echo("The configuration can be used.")


@config_app.command()
def show(
    file: Annotated[
        Path | None, typer.Argument(help="The configuration file. Default: TIDEGATE_CONFIG, or tidegate.toml.")
    ] = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only values that are not the default.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show each value with its origin: default, line of the file, or environment variable. Secrets are hidden."""
    with exit_on_error():
        settings = _load(file)
        source = file or Path(os.environ.get("TIDEGATE_CONFIG") or "tidegate.toml")
        values = config_values(settings, os.environ, source if source.is_file() else None)
    shown = [each for each in values if not changed or each.origin != DEFAULT]
    if as_json:
        typer.echo(msgspec.json.encode(shown))
    else:
        columns = {"setting": False, "value": True, "origin": False}
        print_table(columns, ((each.setting, each.value or "-", each.origin) for each in shown))


def _load(file: Path | None) -> Settings:
    return config.load(file, with_secrets=False)
