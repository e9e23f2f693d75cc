"""Examines the gateway that is configured here: `tidegate doctor` without `--image`."""

import asyncio
import os

import msgspec
import typer
from pydantic import SecretStr

from tidegate.assembly.operating.doctor import Doctor
from tidegate.cli.stores import open_stores
from tidegate.core import config
from tidegate.core.clock import SystemClock
from tidegate.core.config import ConfigError, Settings
from tidegate.core.config.unknown import UnknownVariable
from tidegate.core.errors import StoreError
from tidegate.core.scrub import scrub
from tidegate.doctor.finding import EXIT_CODES, DoctorFinding, Verdict, bad, worst
from tidegate.storage.embedded import EmbeddedError
from tidegate.web.admin.operating.doctor import DoctorView

_COLORS = {
    Verdict.GOOD: typer.colors.GREEN,
    Verdict.DOUBTFUL: typer.colors.YELLOW,
    Verdict.BAD: typer.colors.RED,
}
_MAX_UNKNOWN = 20


def examine(*, as_json: bool) -> None:
    """Print the findings, the worst last; exit with 0 if all is good, 1 if something is doubtful, 2 if it is bad."""
    findings = _findings()
    if as_json:
        typer.echo(msgspec.json.encode(DoctorView.of(findings).model_dump()))
    else:
        for finding in sorted(findings, key=lambda each: list(Verdict).index(each.verdict)):
            mark = typer.style(f"{finding.verdict.value:8}", fg=_COLORS[finding.verdict])
            typer.echo(f"{mark} {finding.check:18} {finding.text}{' ' + finding.remedy if finding.remedy else ''}")
    raise typer.Exit(EXIT_CODES[worst(findings)])


def _findings() -> list[DoctorFinding]:
    findings: list[DoctorFinding] = []
    try:
        settings = _loaded(findings)
        with open_stores(settings) as urls:
            stores = {"database_url": SecretStr(urls.database_url), "redis_url": SecretStr(urls.redis_url)}
            doctor = Doctor(config.with_openai_key(settings).model_copy(update=stores), SystemClock())
            findings += asyncio.run(doctor.examine())
    except (ConfigError, EmbeddedError, StoreError) as error:
        findings.append(bad("configuration", scrub(str(error)), "Change the configuration as it says."))
    return findings


def _loaded(findings: list[DoctorFinding]) -> Settings:
    """Return the configuration without the variables that are no settings; each of those is a finding."""
    for _ in range(_MAX_UNKNOWN):
        try:
            return config.load(with_secrets=False)
        except UnknownVariable as error:
            remedy = f"Unset {error.variable} or write its right name: the gateway does not start with it."
            findings.append(bad("unknown_variable", str(error), remedy))
            del os.environ[error.variable]  # of this process alone, which examines and ends
    return config.load(with_secrets=False)
