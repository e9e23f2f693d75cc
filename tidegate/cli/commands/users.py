"""`tidegate users`: erase what is stored of an end user. The same over HTTP: web/admin/users.py."""

import sys
from typing import Annotated

import typer

from tidegate.cli.context import CommandContext, command_error, print_json, print_table, run_with_context
from tidegate.cli.stores import Needs
from tidegate.web.admin.users import ErasureView

users_app = typer.Typer(no_args_is_help=True, help="Erase the stored data of end users.")

_DESCRIPTIONS = {
    "conversations": ("conversations they took part in", "deleted; in shared ones, only their turns"),
    "responses": ("responses", "deleted"),
    "items": ("messages and other items", "deleted, with their images and files"),
    "completions": ("stored completions", "deleted"),
    "cached_answers": ("cached answers", "deleted"),
    "upstream_objects": (
        "files and other objects at an upstream",
        "deleted there within minutes, if OpenAI can delete them",
    ),
    "semantic_questions": ("questions of the semantic tier", "deleted"),
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
    counts = _count(project, user)
    if dry_run or not (any(counts.values()) and (yes or _confirm(counts, project, user, quiet=as_json))):
        _print_result(project, user, counts, erased=False, as_json=as_json)
        return
    erased = run_with_context(Needs.BOTH, lambda context: context.erasure.erase(project, user))
    _print_result(project, user, erased, erased=True, as_json=as_json)


def _count(project: str, user: str) -> dict[str, int]:
    async def count(context: CommandContext) -> dict[str, int] | None:
        return await context.erasure.count(project, user) if await context.projects.get(project) else None

    counts = run_with_context(Needs.BOTH, count, is_act=False)
    if counts is None:
        raise command_error(f"There is no project {project}. List the projects with `tidegate projects list`.")
    return counts


def _confirm(counts: dict[str, int], project: str, user: str, *, quiet: bool) -> bool:
    """Ask a person at a terminal for confirmation; without a terminal, `--yes` is required."""
    if not sys.stdin.isatty():
        raise command_error(
            "Nothing was erased: there is no terminal to ask. Pass --yes to erase, or --dry-run to see what is stored."
        )
    if not quiet:
        _print_counts(counts)
    typer.confirm(
        f"Erase all of this for user {user!r} of project {project!r}? This cannot be undone.", abort=True, err=True
    )
    return True


def _print_result(project: str, user: str, counts: dict[str, int], *, erased: bool, as_json: bool) -> None:
    if as_json:
        whom = {"project": project, "end_user": user, "dry_run": not erased}
        print_json(ErasureView.model_validate({**whom, **counts}))
    elif not any(counts.values()):
        typer.echo(f"Nothing is stored for user {user} in project {project}.")
    elif erased:
        ledger_count = counts["ledger_lines"]
        deleted_count = sum(count for kind, count in counts.items() if kind not in ("ledger_lines", "conversations"))
        typer.echo(
            f"Erased user {user} from project {project}: {deleted_count:,} records deleted, "
            f"{ledger_count:,} ledger entries anonymized."
        )
    else:
        _print_counts(counts)
        typer.echo("Nothing was erased.")


def _print_counts(counts: dict[str, int]) -> None:
    rows = ((_DESCRIPTIONS[kind][0], f"{count:,}", _DESCRIPTIONS[kind][1]) for kind, count in counts.items())
    print_table({"data": False, "count": False, "action": True}, rows)
