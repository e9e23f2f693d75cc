"""`tidegate secrets rotate`: put a new value into Amazon Secrets Manager, tested before anything uses it."""

import getpass
import os
import sys
from typing import Annotated

import msgspec
import typer

from tidegate.cli.recorded import recorded
from tidegate.cli.security.new_values import check_new_value, settings_with
from tidegate.cli.security.service_account import AccountOptions, AccountRotation
from tidegate.cli.stores import exit_on_error
from tidegate.core import config
from tidegate.core.clock import SystemClock
from tidegate.core.config import ConfigError, Settings
from tidegate.core.config.secret_reference import MAX_BYTES, SecretReference, parse_reference, secret_text
from tidegate.core.errors import StoreError
from tidegate.secrets.rotation import RotatedSecret, rotate_secret
from tidegate.secrets.sources.aws import AwsSource
from tidegate.secrets.sources.aws_versions import AwsVersions


def rotate(  # noqa: PLR0913, PLR0917  # each argument is an option of the command
    place: Annotated[str, typer.Argument(metavar="aws-sm:NAME", help="The secret, as the configuration names it.")],
    account: Annotated[
        str | None,
        typer.Option(
            "--openai-service-account", metavar="NAME", help="Make the key: with a new service account of this name."
        ),
    ] = None,
    project: Annotated[
        str, typer.Option("--openai-project", metavar="ID", help="The project of the service account.")
    ] = "",
    admin_key: Annotated[
        str, typer.Option("--openai-admin-key", metavar="PLACE", help="The place of an admin key of OpenAI.")
    ] = "env:OPENAI_ADMIN_KEY",
    delete_old: Annotated[
        bool, typer.Option("--delete-old", help="Wait until the old key is unused, and delete its service account.")
    ] = False,
    discard_pending: Annotated[
        bool, typer.Option("--discard-pending", help="Give up the version that an earlier rotation left pending.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Replace a secret in Amazon Secrets Manager by a value from standard input, or by a new key of OpenAI.

    The value is stored as AWSPENDING and tested: an upstream key by a free request, the address of a store by a
    connection. Then AWSCURRENT moves to it. If anything fails, nothing has moved. The exit code is 1 if the value was
    refused, and 75 if a later try may succeed. It is 78 if a reference or a value is wrong.
    """
    with exit_on_error():
        settings = config.with_openai_key(config.load(with_secrets=False))
        rotation = _Rotation(settings, _aws_reference(place), discard_pending=discard_pending)
        with recorded(settings):
            if account is None:
                if delete_old or project:
                    raise ConfigError("Nothing was changed: the options of OpenAI need --openai-service-account.")
                result = rotation.to_value(_new_value())
            elif not project:
                raise ConfigError("Nothing was changed: --openai-service-account needs --openai-project.")
            else:
                options = AccountOptions(name=account, project=project, admin_key=admin_key, delete_old=delete_old)
                result = rotation.to_account(options, as_json=as_json)
    _show(result, as_json=as_json)


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, as `--json` prints it."""

    secret: RotatedSecret
    service_account: str = ""
    deleted_service_account: str = ""


class _Rotation:
    def __init__(self, settings: Settings, reference: SecretReference, *, discard_pending: bool) -> None:
        settings_with(settings, reference)
        self._settings = settings
        self._reference = reference
        self._discard_pending = discard_pending
        self._versions = AwsVersions(
            AwsSource(os.environ, SystemClock(), url=settings.secrets.aws_url), reference.place
        )

    def to_value(self, value: bytes) -> _Result:
        whole = SecretReference(self._reference.kind, self._reference.place)
        return _Result(secret=self._rotate(secret_text(whole, value)))

    def to_account(self, options: AccountOptions, *, as_json: bool) -> _Result:
        change = AccountRotation(self._settings, self._reference, options)
        old_key = secret_text(self._reference, self._versions.current().content)
        change.find_old(old_key)
        with change.new_key() as made:
            done = self._rotate(made.key)
        result = _Result(secret=done, service_account=made.account)
        try:
            deleted = change.delete_old(old_key, made.key)
        except (ConfigError, StoreError, KeyboardInterrupt):
            _show(result, as_json=as_json)  # the new key is in use all the same
            raise
        return msgspec.structs.replace(result, deleted_service_account=deleted)

    def _rotate(self, text: str) -> RotatedSecret:
        return rotate_secret(
            self._versions,
            self._reference,
            text,
            lambda: check_new_value(self._settings, self._reference, text),
            discard_pending=self._discard_pending,
        )


def _aws_reference(place: str) -> SecretReference:
    try:
        reference = parse_reference(place)
    except ValueError as error:
        raise ConfigError(f"Nothing was changed: the place cannot be used: {error}.") from error
    if reference is None or reference.kind != "aws-sm":
        raise ConfigError("Nothing was changed: only secrets of Amazon Secrets Manager are rotated. Write aws-sm:NAME.")
    return reference


def _new_value() -> bytes:
    """Return what standard input has, a byte more than allowed at most. A terminal does not show what is typed."""
    if sys.stdin.isatty():
        return getpass.getpass("New value: ").encode()
    return sys.stdin.buffer.read(MAX_BYTES + 1)


def _show(result: _Result, *, as_json: bool) -> None:
    done = result.secret
    if as_json:
        typer.echo(msgspec.json.encode(result))
        return
    typer.echo(f"{done.reference}: version {done.version} is current, {done.previous_version} was before.")
    typer.echo(
        f"The fingerprint of the new value is {done.fingerprint}. The gateway takes it into use at its next read."
    )
    if result.service_account:
        typer.echo(f"It is the key of the service account {result.service_account}.")
    if result.deleted_service_account:
        typer.echo(f"The service account {result.deleted_service_account}, which had the old key, is deleted.")
    if done.warning:
        typer.secho(f"Warning: {done.warning}", err=True, fg=typer.colors.YELLOW)
