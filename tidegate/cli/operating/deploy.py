"""`tidegate deploy`: write files for a cloud's own services. Reads the configuration only."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tidegate.alerts.cloud.files import APPLY, CLOUDS, alarm_files
from tidegate.assembly.alerts import thresholds_of
from tidegate.cli.context import command_error
from tidegate.cli.stores import exit_on_error
from tidegate.core import config

deploy_app = typer.Typer(no_args_is_help=True, help="Write files for a cloud's own services.")


@deploy_app.callback()
def _group() -> None:
    """Keep `alarms` a command of its own."""


@deploy_app.command()
def alarms(
    cloud: Annotated[str, typer.Option("--cloud", metavar="CLOUD", help="aws, gcp or azure.")],
    folder: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the files are written.")] = Path(
        "alarms"
    ),
) -> None:
    """Write the three alerts as alarms of a cloud, with the thresholds of `[alerts]`.

    The alarms read the lines of the call log, so every call needs its line. Thresholds of single models are left out.
    """
    known = next((each for each in CLOUDS if each == cloud), None)
    if known is None:
        raise typer.BadParameter(f"{cloud!r} is not one of {', '.join(CLOUDS)}")
    with exit_on_error():
        settings = config.load(with_secrets=False)
        files = alarm_files(known, thresholds_of(settings.alerts), namespace=settings.call_log.namespace)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise command_error(f"{folder} was not written: {error.strerror or error}.") from error
    typer.echo(f"{', '.join(sorted(files))} in {folder}. Apply them with: {APPLY[known]}")
