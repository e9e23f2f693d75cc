"""`tidegate doctor`: examine the gateway, or with `--image` find keys that were baked into a container image."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tidegate.cli.context import command_error, printable
from tidegate.cli.operating.examination import examine
from tidegate.core.scrub import scrub_start
from tidegate.leaks.image import Finding, ImageReport, scan_image

_FOUND, _NOT_EXAMINED = 1, 2
_MOST_CHARACTERS = 300


def doctor(
    image: Annotated[
        Path | None,
        typer.Option(
            "--image",
            metavar="PATH",
            help="Examine this container image instead: a tar file of `docker save`, an OCI layout (folder or tar "
            "file), or an unpacked folder.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Examine the gateway that is configured here: stores, providers, keys, money, time limits. Sends no paid call.

    Each line is good, doubtful or bad, with its remedy. The exit code is 0 if all is good, 1 if something is doubtful,
    and 2 if something is bad.

    With `--image` it finds keys and passwords in a container image: layers, environment, labels and history. Files that
    a later layer deletes are examined, too. Secrets are never printed. The exit code is then 0 if nothing was found, 1
    if something was found. It is 2 if the image was not or not wholly examined.
    """
    if image is None:
        examine(as_json=as_json)
    else:
        _examine_image(image, as_json=as_json)


def _examine_image(image: Path, *, as_json: bool) -> None:
    try:
        report = scan_image(image)
    except OSError as error:
        command_error(f"{image} was not examined: {error.strerror or error}.")
        raise typer.Exit(_NOT_EXAMINED) from error
    if as_json:
        typer.echo(msgspec.json.encode(_as_json(image, report)))
    else:
        _print(image, report)
    if report.findings or report.problems:
        raise typer.Exit(_FOUND if report.findings else _NOT_EXAMINED)


def _print(image: Path, report: ImageReport) -> None:
    for finding in report.findings:
        mark = f" ({finding.sighting.fingerprint})" if finding.sighting.fingerprint else ""
        typer.echo(f"{finding.sighting.kind}{mark}: {_place(finding)}")
    for problem in report.problems:
        typer.secho(_shown(problem), err=True, fg=typer.colors.YELLOW)
    count = len(report.findings)
    found = (
        "No secret was found" if count == 0 else f"{count} secrets were found" if count > 1 else "1 secret was found"
    )
    typer.echo(f"{found} in {_shown(str(image))}: {report.layers} layers, {report.read_bytes:,} bytes read.")
    if count:
        typer.echo("Replace these secrets first: everyone who has the image has them. Then build it without them.")


def _place(finding: Finding) -> str:
    place = finding.place
    if place.part == "":
        return _shown(place.path)
    layer = f"layer {place.layer}" if place.layer else _shown(place.part)
    return f"{layer}: /{_shown(place.path)}{', deleted by a later layer' if finding.deleted else ''}"


def _as_json(image: Path, report: ImageReport) -> dict[str, Any]:
    return {
        "image": _shown(str(image)),
        "findings": [
            {
                "kind": finding.sighting.kind,
                "fingerprint": finding.sighting.fingerprint,
                "layer": finding.place.layer,
                "part": _shown(finding.place.part) or None,
                "path": _shown(finding.place.path),
                "deleted": finding.deleted,
            }
            for finding in report.findings
        ],
        "problems": [_shown(problem) for problem in report.problems],
        "layers": report.layers,
        "read_bytes": report.read_bytes,
    }


def _shown(text: str) -> str:
    """Return a text of the image without control characters and keys, and not too long."""
    return printable(scrub_start(text, _MOST_CHARACTERS))
