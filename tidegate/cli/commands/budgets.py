"""`tidegate budgets`: what is spent and held of each budget, and when it is renewed."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from tidegate.cli.context import CommandContext, print_json, print_table, run_with_context
from tidegate.core.clock import SystemClock
from tidegate.limits.budget_report import Budget, BudgetListing
from tidegate.metering.usage_report import usd
from tidegate.web.admin.schemas import MAX_LISTED, BudgetPage

budgets_app = typer.Typer(no_args_is_help=True, help="See what is spent of the budgets.")


@budgets_app.callback()
def _budgets() -> None:
    """A group even with one command."""


@budgets_app.command()
def show(
    project: Annotated[str | None, typer.Option(help="Only this project's.")] = None,
    after: Annotated[str | None, typer.Option(help="Go on after this one, as the end of a long list says.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show who has a budget: spent, held by calls under way, the budget, how much is gone, when it is renewed."""

    async def act(desk: CommandContext) -> BudgetListing:
        return await desk.budgets.read(SystemClock().now(), project=project, after=after, limit=MAX_LISTED)

    found = run_with_context(act)
    if as_json:
        print_json(BudgetPage.of(found))
        return
    if found.budgets:
        columns = dict.fromkeys(("who", "period", "spent USD", "held USD", "budget USD", "gone", "renewed"), False)
        print_table(columns | {"who": True}, map(_row, found.budgets))
    else:
        typer.echo("Nobody here has a budget; `tidegate projects update NAME --budget-day 1.00` gives one.")
    if not found.counters_valid:
        typer.echo("Redis is new or has lost its memory: the ledger is counted into it before the next paid call.")
    if found.last is not None:
        typer.echo(f"There are more: tidegate budgets show --after {found.last}")


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
