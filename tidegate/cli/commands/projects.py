"""`tidegate projects`: show and change projects and their limits. The same over HTTP: web/admin/projects.py."""

from typing import Annotated

import typer

from tidegate.auth.grants import ProjectChange
from tidegate.auth.project_store import ProjectRecord
from tidegate.cli import limit_options as options
from tidegate.cli.context import (
    CommandContext,
    command_error,
    print_json,
    print_table,
    print_warnings,
    propagation_time,
    run_with_context,
)
from tidegate.cli.stores import Needs
from tidegate.core.clock import SystemClock
from tidegate.core.values import Priority
from tidegate.web.admin.projects import ProjectView, project_warnings

projects_app = typer.Typer(
    no_args_is_help=True, help="Show and change projects. A project is created with its first key."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Name = Annotated[str, typer.Argument(help="The project's name.")]


@projects_app.command("list")
def list_projects(as_json: AsJson = False) -> None:
    """List the projects and their limits."""
    records = run_with_context(Needs.POSTGRES, lambda context: context.projects.list())
    if as_json:
        print_json(ProjectView.of(record) for record in records)
    elif records:
        print_table(
            {"project": True, "priority": False, "retention": False, "limits": True, "limits of each end user": True},
            ((record.name, *_columns(record)) for record in records),
        )
    else:
        typer.echo("There are no projects yet. Create one with its first key: `tidegate keys create --project NAME`.")


@projects_app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show one project."""
    record = run_with_context(Needs.POSTGRES, lambda context: context.projects.get(name))
    if record is None:
        raise _unknown_project(name)
    if as_json:
        print_json(ProjectView.of(record))
    else:
        typer.echo(_project_text(record))


@projects_app.command()
def update(  # noqa: PLR0913  # typer reads the options from the signature
    name: Name,
    *,
    rpm: options.Rpm = None,
    rpd: options.Rpd = None,
    tpm: options.Tpm = None,
    concurrency: options.Concurrency = None,
    budget_day: options.BudgetDay = None,
    budget_week: options.BudgetWeek = None,
    budget_month: options.BudgetMonth = None,
    user_rpm: options.UserRpm = None,
    user_rpd: options.UserRpd = None,
    user_tpm: options.UserTpm = None,
    user_concurrency: options.UserConcurrency = None,
    user_budget_day: options.UserBudgetDay = None,
    user_budget_week: options.UserBudgetWeek = None,
    user_budget_month: options.UserBudgetMonth = None,
    priority: options.PriorityName = None,
    retention_days: options.RetentionDays = None,
    as_json: AsJson = False,
) -> None:
    """Change a project: only the given options; `none` removes a limit."""
    limits = options.parse_limits(
        rpm=rpm, rpd=rpd, tpm=tpm, concurrency=concurrency,
        budget_day=budget_day, budget_week=budget_week, budget_month=budget_month,
    )  # fmt: skip
    user_limits = options.parse_limits(
        "user-", rpm=user_rpm, rpd=user_rpd, tpm=user_tpm, concurrency=user_concurrency,
        budget_day=user_budget_day, budget_week=user_budget_week, budget_month=user_budget_month,
    )  # fmt: skip
    change = ProjectChange(
        limits=limits,
        user_limits=user_limits,
        priority=options.parse_priority(priority),
        retention_days=options.parse_retention_days(retention_days),
    )
    if change == ProjectChange():
        raise typer.BadParameter(
            "nothing to change: pass at least one option, like --rpm 600 (see `tidegate projects update --help`)"
        )
    announced, record, warnings = _update(name, change)
    if as_json:
        print_json(ProjectView.of(record, warnings))
    else:
        print_warnings(warnings)
        typer.echo(f"{_project_text(record)} Every gateway process applies it {propagation_time(announced)}.")
        if retention_days is not None:
            typer.echo("Data stored before this change keeps the retention it was stored with.")


def _update(name: str, change: ProjectChange) -> tuple[bool, ProjectRecord, list[str]]:
    async def act(context: CommandContext) -> tuple[bool, ProjectRecord, list[str]] | None:
        announced = await context.projects.update(name, change)
        record = await context.projects.get(name)
        if announced is None or record is None:
            return None
        return announced, record, project_warnings(context.budget_check, record, at=SystemClock().now())

    outcome = run_with_context(Needs.BOTH, act)
    if outcome is None:
        raise _unknown_project(name)
    return outcome


def _unknown_project(name: str) -> typer.Exit:
    return command_error(
        f"There is no project {name}. List the projects with `tidegate projects list`, "
        "or create one with its first key: `tidegate keys create --project NAME`."
    )


def _columns(record: ProjectRecord) -> tuple[str, str, str, str]:
    """Return priority, retention, limits, and the limits of each end user, as text."""
    priority, days = record.priority or Priority.NORMAL, record.retention_days
    retention = "for ever" if days is None else "1 day" if days == 1 else f"{days} days"
    return (
        priority.label,
        retention,
        options.limits_text(record.limits) or "-",
        options.limits_text(record.user_limits) or "-",
    )


def _project_text(record: ProjectRecord) -> str:
    priority, retention, limits, user_limits = _columns(record)
    return (
        f"Project {record.name}: priority {priority}, limits {limits}, limits of each end user {user_limits}, "
        f"retention {retention}."
    )
