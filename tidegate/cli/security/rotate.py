"""`tidegate secrets rotate`: put a new value into Amazon Secrets Manager, tested before anything uses it."""

import getpass
import os
import sys
from typing import Annotated

import msgspec
import typer

from tidegate.cli.security.new_values import check_new_value, settings_with
from tidegate.cli.stores import exit_on_error
from tidegate.core import config
from tidegate.core.clock import SystemClock
from tidegate.core.config import ConfigError, Settings
from tidegate.core.config.secret_reference import MAX_BYTES, SecretReference, parse_reference, secret_text
from tidegate.secrets.rotation import RotatedSecret, rotate_secret
from tidegate.secrets.sources.aws import AwsSource
from tidegate.secrets.sources.aws_versions import AwsVersions


def rotate(
    place: Annotated[str, typer.Argument(metavar="aws-sm:NAME", help="The secret, as the configuration names it.")],
    discard_pending: Annotated[
        bool, typer.Option("--discard-pending", help="Give up the version that an earlier rotation left pending.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Replace a secret in Amazon Secrets Manager by a value read from standard input.

    The value is stored as AWSPENDING and tested: an upstream key by a free request, the address of a store by a
    connection. Then AWSCURRENT moves to it. If anything fails, nothing has moved. The exit code is 0 if the new value
    is current, 1 if it was refused, 75 if a later try may succeed, and 78 if the reference is wrong.
    """
    with exit_on_error():
        settings = config.with_openai_key(config.load(with_secrets=False))
        reference = _aws_reference(place)
        settings_with(settings, reference)
        text = secret_text(reference, _new_value())
        done = rotate_secret(
            _versions(settings, reference),
            reference,
            text,
            lambda: check_new_value(settings, reference, text),
            discard_pending=discard_pending,
        )
    _show(done, as_json=as_json)


def _aws_reference(place: str) -> SecretReference:
    try:
        reference = parse_reference(place)
    except ValueError as error:
        raise ConfigError(f"Nothing was changed: the place cannot be used: {error}.") from error
    if reference is None or reference.kind != "aws-sm":
        raise ConfigError("Nothing was changed: only secrets of Amazon Secrets Manager are rotated. Write aws-sm:NAME.")
    return reference


def _versions(settings: Settings, reference: SecretReference) -> AwsVersions:
    source = AwsSource(os.environ, SystemClock(), url=settings.secrets.aws_url)
    return AwsVersions(source, reference.place)


def _new_value() -> bytes:
    """Return what standard input has, a byte more than allowed at most. A terminal does not show what is typed."""
    if sys.stdin.isatty():
        return getpass.getpass("New value: ").encode()
    return sys.stdin.buffer.read(MAX_BYTES + 1)


def _show(done: RotatedSecret, *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(done))
        return
    typer.echo(f"{done.reference}: version {done.version} is current, {done.previous_version} was before.")
    typer.echo(
        f"The fingerprint of the new value is {done.fingerprint}. The gateway takes it into use at its next read."
    )
    if done.warning:
        typer.secho(f"Warning: {done.warning}", err=True, fg=typer.colors.YELLOW)
