"""`tidegate users`: erase what is stored of an end user. The same over HTTP: web/admin/users.py."""

import sys
from typing import Annotated

import typer

from tidegate.cli.context import CommandContext, command_error, print_json, print_table, run_with_context
from tidegate.web.admin.users import ErasureView

users_app = typer.Typer(no_args_is_help=True, help="Erase the stored data of end users.")

_DESCRIPTIONS = {
    "conversations": ("conversations they took part in", "deleted; in shared ones, only their turns"),
    "responses": ("responses", "deleted"),
    "items": ("messages and other items", "deleted, with their images and files"),
    "completions": ("stored completions", "deleted"),
    "cached_answers": ("cached answers", "deleted"),
    "ledger_lines": ("ledger entries", "kept for accounting under an anonymous name"),
}


@users_app.command()
def forget(
    project: Annotated[str, typer.Argument(help="The project.")],
    user: Annotated[str, typer.Argument(help="The end user, as sent in `safety_identifier` or `user`.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be erased, and erase nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Erase without confirmation.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Erase everything stored of an end user. This cannot be undone."""
    found = _count(project, user)
    if dry_run or not (any(found.values()) and (yes or _confirm(found, project, user, quiet=as_json))):
        _print_result(project, user, found, erased=False, as_json=as_json)
        return
    erased = run_with_context(lambda desk: desk.erasure.erase(project, user))
    _print_result(project, user, erased, erased=True, as_json=as_json)


def _count(project: str, user: str) -> dict[str, int]:
    async def count(desk: CommandContext) -> dict[str, int] | None:
        return await desk.erasure.count(project, user) if await desk.projects.get(project) else None

    found = run_with_context(count)
    if found is None:
        raise command_error(f"There is no project {project}. List the projects with `tidegate projects list`.")
    return found


def _confirm(found: dict[str, int], project: str, user: str, *, quiet: bool) -> bool:
    """Ask a person at a terminal for confirmation; without a terminal, `--yes` is required."""
    if not sys.stdin.isatty():
        raise command_error(
            "Nothing was erased: there is no terminal to ask. Pass --yes to erase, or --dry-run to see what is stored."
        )
    if not quiet:
        _print_counts(found)
    typer.confirm(
        f"Erase all of this for user {user!r} of project {project!r}? This cannot be undone.", abort=True, err=True
    )
    return True


def _print_result(project: str, user: str, found: dict[str, int], *, erased: bool, as_json: bool) -> None:
    if as_json:
        whom = {"project": project, "end_user": user, "dry_run": not erased}
        print_json(ErasureView.model_validate({**whom, **found}))
    elif not any(found.values()):
        typer.echo(f"Nothing is stored for user {user} in project {project}.")
    elif erased:
        kept = found["ledger_lines"]
        gone = sum(count for what, count in found.items() if what not in ("ledger_lines", "conversations"))
        typer.echo(
            f"Erased user {user} from project {project}: {gone:,} records deleted, {kept:,} ledger entries anonymized."
        )
    else:
        _print_counts(found)
        typer.echo("Nothing was erased.")


def _print_counts(found: dict[str, int]) -> None:
    rows = ((_DESCRIPTIONS[what][0], f"{count:,}", _DESCRIPTIONS[what][1]) for what, count in found.items())
    print_table({"data": False, "count": False, "action": True}, rows)
