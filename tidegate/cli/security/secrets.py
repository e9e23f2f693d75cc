"""`tidegate secrets`: where the configuration's secrets come from, and whether each can be read and used."""

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from pydantic import SecretStr

from tidegate.cli.context import print_table
from tidegate.cli.security.new_values import credential_of, probing_providers
from tidegate.cli.security.rotate import rotate
from tidegate.cli.stores import exit_on_error
from tidegate.core import config
from tidegate.core.clock import SystemClock
from tidegate.core.config import Settings
from tidegate.core.config.secret_reference import ReferredSecret
from tidegate.providers.upstream_keys import verdict_on
from tidegate.secrets.check import SecretStatus, check_secrets
from tidegate.secrets.sources.registry import SecretSources

secrets_app = typer.Typer(no_args_is_help=True, help="Check and rotate the secrets of the configuration.")
secrets_app.command()(rotate)

_Checked = tuple[SecretStatus, ReferredSecret | None]


@secrets_app.command()
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Read each secret from its place and probe the upstream keys; exit with 1 if one cannot be used."""
    with exit_on_error():
        settings = config.load(with_secrets=False)
        sources = SecretSources(settings.secrets, os.environ, SystemClock())
        checked = check_secrets(config.with_openai_key(settings), sources.read)
        statuses = asyncio.run(_with_probes(settings, checked))
    if as_json:
        typer.echo(msgspec.json.encode(statuses))
    elif not statuses:
        typer.echo("The configuration has no secret.")
    else:
        columns = ("setting", "place", "version", "since", "fingerprint", "state")
        print_table(dict.fromkeys(columns, False) | {"setting": True}, _rows(statuses))
    if not all(status.is_well for status in statuses):
        raise typer.Exit(1)


async def _with_probes(settings: Settings, checked: list[_Checked]) -> list[SecretStatus]:
    """Return the statuses, with what the providers say of their keys."""
    async with probing_providers(settings) as providers:
        statuses = []
        for status, secret in checked:
            provider, credential = credential_of(status.setting) or ("", "")
            if secret is None or provider not in providers:
                statuses.append(status)
                continue
            key = SecretStr(secret.get_secret_value())
            verdict = await verdict_on(providers[provider], credential, key)
            statuses.append(msgspec.structs.replace(status, probe=verdict.value))
        return statuses


def _rows(statuses: list[SecretStatus]) -> Iterator[tuple[str, ...]]:
    for status in statuses:
        since = datetime.fromtimestamp(status.created_at, UTC).strftime("%Y-%m-%d %H:%M") if status.created_at else "-"
        state = status.error or {"good": "the provider accepts it", "refused": "the provider refuses it"}.get(
            status.probe, "can be read, the provider did not answer" if status.probe else "can be read"
        )
        yield status.setting, status.place, status.version or "-", since, status.fingerprint or "-", state
