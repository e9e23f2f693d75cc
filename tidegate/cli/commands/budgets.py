"""`tidegate budgets`: what is spent and reserved of each budget. The same over HTTP: web/admin/budgets.py."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from tidegate.cli.context import CommandContext, print_json, print_table, run_with_context
from tidegate.core.clock import SystemClock
from tidegate.limits.budget_report import Budget, BudgetListing
from tidegate.metering.usage_report import usd
from tidegate.web.admin.budgets import BudgetPage
from tidegate.web.admin.schemas import MAX_LISTED

budgets_app = typer.Typer(no_args_is_help=True, help="Show what is spent of each budget.")


@budgets_app.callback()
def _budgets() -> None:
    """Keep the group although it has one command."""


@budgets_app.command()
def show(
    project: Annotated[str | None, typer.Option(help="Only this project.")] = None,
    after: Annotated[
        str | None, typer.Option(help="Continue a long list after this entry; the end of each page names it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show each budget: spent, reserved by requests in progress, used share, and when it renews."""

    async def act(context: CommandContext) -> BudgetListing:
        return await context.budgets.read(SystemClock().now(), project=project, after=after, limit=MAX_LISTED)

    listing = run_with_context(act)
    if as_json:
        print_json(BudgetPage.of(listing))
        return
    if listing.budgets:
        columns = dict.fromkeys(
            ("budget of", "period", "spent USD", "reserved USD", "budget USD", "used", "renews"), False
        )
        print_table(columns | {"budget of": True}, map(_row, listing.budgets))
    else:
        typer.echo("No budget is set. Set one with `tidegate projects update NAME --budget-day 1.00`.")
    if not listing.counters_valid:
        typer.echo(
            "The figures are incomplete: Redis is new or lost its data. "
            "The gateway reads them from the ledger before its next paid request."
        )
    if listing.last is not None:
        typer.echo(f"More budgets follow: tidegate budgets show --after {listing.last}")


def _row(budget: Budget) -> tuple[str, ...]:
    return (
        _subject(budget),
        budget.period,
        usd(budget.spent),
        usd(budget.reserved),
        "-" if budget.budget is None else usd(budget.budget),
        "-" if budget.used_ratio is None else f"{budget.used_ratio:.0%}",
        datetime.fromtimestamp(budget.renews_at, UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _subject(budget: Budget) -> str:
    match budget.kind:
        case "all":
            return "the whole deployment"
        case "project":
            return f"project {budget.project}"
        case "key":
            return f"key {budget.key_id} {budget.name} of {budget.project}".replace("  ", " ")
        case _:
            return f"user {budget.user} of {budget.project}"
