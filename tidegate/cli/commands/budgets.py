"""`tidegate budgets`: what is spent and reserved of each budget, and the budgets of tags.

The same over HTTP: web/admin/budgets.py.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from tidegate.auth.tag_budget_store import TagBudgetChange
from tidegate.cli import limit_options as options
from tidegate.cli.context import (
    CommandContext,
    command_error,
    print_json,
    print_table,
    propagation_time,
    run_with_context,
)
from tidegate.cli.stores import Needs
from tidegate.core.clock import SystemClock
from tidegate.core.errors import InvalidParameter
from tidegate.core.tags import parse_tag
from tidegate.core.values import Limits
from tidegate.limits.budget_report import Budget, BudgetListing
from tidegate.metering.reports.usage_report import usd
from tidegate.web.admin.budgets import BudgetPage, TagBudgetView
from tidegate.web.admin.schemas import MAX_LISTED

budgets_app = typer.Typer(no_args_is_help=True, help="Show what is spent of each budget, and set budgets of tags.")


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

    listing = run_with_context(Needs.BOTH, act)
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
    for line in nearly_used_lines(listing.budgets):
        typer.echo(line)
    if not listing.counters_valid:
        typer.echo(
            "The figures are incomplete: Redis is new or lost its data. "
            "The gateway reads them from the ledger before its next paid request."
        )
    if listing.last is not None:
        typer.echo(f"More budgets follow: tidegate budgets show --after {listing.last}")


@budgets_app.command("set")
def set_tag(
    *,
    project: Annotated[str, typer.Option(help="The project whose requests have the tag.")],
    tag: Annotated[
        str,
        typer.Option(
            metavar="NAME=VALUE", help="The tag; NAME=* sets the budget of each value that has none of its own."
        ),
    ],
    budget_day: options.BudgetDay = None,
    budget_week: options.BudgetWeek = None,
    budget_month: options.BudgetMonth = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Set the budgets of a tag of a project: only the given options; `none` removes a budget."""
    change = options.parse_tag_budgets(budget_day=budget_day, budget_week=budget_week, budget_month=budget_month)
    try:
        parsed = parse_tag(tag)
    except InvalidParameter as error:
        raise typer.BadParameter(f"--tag: {error.message}") from error
    if change == TagBudgetChange():
        raise typer.BadParameter(
            "nothing to change: pass --budget-day, --budget-week or --budget-month, like --budget-day 1.00"
        )

    async def act(context: CommandContext) -> tuple[Limits, bool, bool] | None:
        outcome = await context.tag_budgets.set(project, parsed, change)
        return None if outcome is None else (*outcome, await context.budgets.recount())

    outcome = run_with_context(Needs.BOTH, act)
    if outcome is None:
        raise command_error(f"There is no project {project}. List the projects with `tidegate projects list`.")
    limits, announced, counted = outcome
    if as_json:
        print_json(TagBudgetView.of(project, parsed, limits, counted=counted))
        return
    typer.echo(
        f"Tag {parsed.text} of project {project}: budget {options.limits_text(limits) or 'none'}. "
        f"Every gateway process applies it {propagation_time(announced)}."
    )
    if not counted:
        typer.echo("Redis did not answer. Set it again when Redis is back, so that what was spent so far counts.")


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


def nearly_used_lines(budgets: Iterable[Budget]) -> Iterator[str]:
    """Return a sentence for each budget of which at least 80 % is spent."""
    for budget in budgets:
        if budget.budget is not None and budget.is_nearly_used:
            figures = f"${usd(budget.spent)} of ${usd(budget.budget)} per {budget.period}"
            yield f"The budget of {_subject(budget)} is nearly used: {figures} is spent."


def _subject(budget: Budget) -> str:
    match budget.kind:
        case "all":
            return "the whole deployment"
        case "project":
            return f"project {budget.project}"
        case "key":
            return f"key {budget.key_id} {budget.name} of {budget.project}".replace("  ", " ")
        case "tag":
            return f"tag {budget.tag} of {budget.project}"
        case _:
            return f"user {budget.user} of {budget.project}"
