"""`tidegate prices`: write a price list for `metering.price_file`."""

from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli.stores import exit_on_error
from tidegate.core.config import ConfigError
from tidegate.metering.price_list import encode
from tidegate.metering.price_refresh import CannotConvert, from_genai_prices


def prices(
    file: Annotated[Path, typer.Argument(help="The file to write; it is replaced.")],
) -> None:
    """Write the OpenAI prices of the installed package genai-prices, as a list for `metering.price_file`."""
    with exit_on_error():
        try:
            written = from_genai_prices()
        except ImportError as error:
            raise ConfigError(
                "No price list was written: the package genai-prices is not installed. Install it beside Tidegate."
            ) from error
        except CannotConvert as error:
            raise ConfigError(
                f"No price list was written: genai-prices has {error}, which this version of Tidegate cannot charge. "
                "Update Tidegate, or install an earlier genai-prices."
            ) from error
        try:
            file.write_bytes(encode(written))
        except OSError as error:
            raise ConfigError(f"No price list was written: {file}: {error.strerror}.") from error
    typer.echo(f"{file} has the prices of {len(written.models)} models, from {written.source}.")
