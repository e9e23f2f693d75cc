"""`tidegate usage compare`: the ledger beside OpenAI's own costs report."""

import asyncio
import os
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

import msgspec
import typer

from tidegate.cli.stores import Needs, exit_on_error, open_migrated_stores
from tidegate.core import config
from tidegate.core.clock import SystemClock
from tidegate.core.config import ConfigError, Settings
from tidegate.core.config.secret_errors import SecretRefused
from tidegate.core.config.secret_reference import parse_reference
from tidegate.core.config.sections.providers import OPENAI_PROVIDER
from tidegate.core.scrub import scrub
from tidegate.doctor.store_probes import CostComparison, PostgresProbe
from tidegate.metering.cost_comparison import CostDrift, CostPage, LedgerDay, compare_costs
from tidegate.metering.ledger.day import read_ledger_day
from tidegate.metering.reports.usage_report import usd
from tidegate.secrets.sources.http import decode, fetch
from tidegate.secrets.sources.registry import SecretSources
from tidegate.storage.postgres import Postgres

_DAY_SECONDS = 86_400
_MAX_PAGES = 100
_REPORT_SECONDS = 20.0


def compare(
    day: Annotated[
        str | None, typer.Option(metavar="DATE", help="The UTC day, as 2026-11-29. Default: yesterday.")
    ] = None,
    admin_key: Annotated[
        str,
        typer.Option(
            metavar="REFERENCE",
            help="Where the OpenAI admin key is, such as file:PATH. Only this command uses it.",
        ),
    ] = "env:OPENAI_ADMIN_KEY",
    api_key_id: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only costs of this OpenAI API key; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Compare a day of the ledger with OpenAI's costs report. Exits with 1 if they differ by more than 2 %."""
    wanted = _day(day)
    start = int(datetime(wanted.year, wanted.month, wanted.day, tzinfo=UTC).timestamp())
    with exit_on_error():
        settings = config.load(with_secrets=False)
        key = _admin_key(settings, admin_key)
        pages = _pages(settings.upstream.base_url, key, start, api_key_id or [])
        with open_migrated_stores(settings, Needs.POSTGRES) as stores:
            drift = asyncio.run(_compared(stores.database_url, wanted, start, pages))
    if as_json:
        typer.echo(msgspec.json.encode({**msgspec.to_builtins(drift), "ratio": drift.ratio}))
    else:
        _print(drift)
    if not drift.is_close:
        raise typer.Exit(1)


def _day(text: str | None) -> date:
    if text is None:
        return datetime.now(UTC).date() - timedelta(days=1)
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no date such as 2026-11-29") from error


def _admin_key(settings: Settings, text: str) -> str:
    try:
        reference = parse_reference(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if reference is None:
        raise ConfigError("Nothing was compared: --admin-key is the place of a key, such as file:PATH, not the key.")
    return SecretSources(settings.secrets, os.environ, SystemClock()).read(reference).text


def _pages(base_url: str, key: str, start: int, api_key_ids: list[str]) -> list[CostPage]:
    """Return all pages of the report. Raises SecretRefused and SecretSourceUnavailable, with the provider's words."""
    pages: list[CostPage] = []
    cursor: str | None = None
    while len(pages) < _MAX_PAGES:
        terms = [("start_time", start), ("end_time", start + _DAY_SECONDS), ("bucket_width", "1d"),
                 ("group_by", "api_key_id"), *(("api_key_ids", each) for each in api_key_ids),
                 *([("page", cursor)] if cursor else [])]  # fmt: skip
        url = f"{base_url.rstrip('/')}/organization/costs?{urlencode(terms)}"
        answer = fetch("GET", url, {"authorization": f"Bearer {key}"}, deadline_seconds=_REPORT_SECONDS)
        if answer.status in (401, 403):
            words = scrub(answer.body[:500].decode(errors="replace"))
            raise SecretRefused(f"Nothing was compared: OpenAI refused the admin key ({answer.status}): {words}")
        page = decode(answer, CostPage, "OpenAI's costs report")
        pages.append(page)
        cursor = page.next_page
        if not page.has_more or not cursor:
            break
    return pages


async def _compared(database_url: str, day: date, start: int, pages: list[CostPage]) -> CostDrift:
    postgres = Postgres(database_url, size=1, timeout=30.0)
    try:
        ledger: LedgerDay = await read_ledger_day(postgres, OPENAI_PROVIDER, start, start + _DAY_SECONDS)
        drift = compare_costs(day.isoformat(), start, ledger, pages)
        await PostgresProbe(postgres).keep_comparison(
            OPENAI_PROVIDER,
            CostComparison(day=drift.day, ledger_nanos=drift.ledger.cost_nanos, provider_nanos=drift.provider_nanos),
        )
    finally:
        await postgres.close()
    return drift


def _print(drift: CostDrift) -> None:
    typer.echo(f"{drift.day} (UTC), provider openai, {drift.ledger.calls:,} calls in the ledger")
    typer.echo(f"  ledger      ${usd(drift.ledger.cost_nanos)}")
    typer.echo(f"  OpenAI      ${usd(drift.provider_nanos)}")
    for name, nanos in sorted(drift.by_api_key.items(), key=lambda each: -each[1])[:20]:
        typer.echo(f"    {name or '(no key)':24} ${usd(nanos)}")
    typer.echo(f"  difference  ${usd(drift.difference_nanos)} ({drift.ratio:.1%})")
    for explanation in drift.explanations:
        typer.echo(f"  - {explanation}")
