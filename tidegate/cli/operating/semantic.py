"""`tidegate semantic`: what the semantic cache decided, saved and got wrong."""

import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from tidegate.cache.semantic.state.report import AuditedAnswer, ModeSummary, SemanticSummary
from tidegate.cli.call_options import parse_time
from tidegate.cli.context import print_json, print_table, run_with_context
from tidegate.cli.stores import Needs
from tidegate.core import config
from tidegate.web.admin.schemas import Schema

semantic_app = typer.Typer(no_args_is_help=True, help="Show what the semantic cache decided, saved and got wrong.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Project = Annotated[str, typer.Argument(help="The project.")]


class SemanticActionView(Schema):
    """The decisions of one kind."""

    mode: str
    action: str
    requests: int
    audited: int
    right: int
    wrong: int
    saved_nanos: int


class SemanticModeView(Schema):
    """What was decided in one mode, and its account."""

    mode: str
    requests: int
    answers: int
    judged: int
    wrong: int
    wrong_ratio_bound: float
    wrong_share: float
    delta: float
    open: bool
    verifier_false_yes: int
    verifier_judged: int
    verdict: str
    actions: list[SemanticActionView]


class SemanticReportView(Schema):
    """What the semantic cache did in a project."""

    project: str
    modes: list[SemanticModeView]
    model_calls: dict[str, int]
    model_cost_nanos: int
    net_saved_nanos: int


class SemanticAuditView(Schema):
    """An answer that was judged, with the questions side by side."""

    request_id: str
    at: float
    mode: str
    action: str
    score: float
    verdict: bool | None
    question: str
    cached_question: str
    answer: str
    scope: str


@semantic_app.command()
def report(
    project: Project,
    *,
    since: Annotated[str, typer.Option(help="Since when: a date, a time, or an age such as `7d`.")] = "7d",
    as_json: AsJson = False,
) -> None:
    """Show answers given, or in shadow would-be ones, how many were wrong, what was saved, and whether it is ready."""
    delta = config.load(with_secrets=False).semantic.delta_of(project)
    begin = parse_time(since, time.time())
    found = run_with_context(Needs.BOTH, lambda context: context.semantic.summary(project, since=begin, delta=delta))
    if as_json:
        print_json(_view(found))
    elif found.modes:
        _print_report(found)
    else:
        typer.echo(f"Nothing was decided in the project {project} since then. Is `semantic` configured for it?")


@semantic_app.command()
def audits(
    project: Project,
    *,
    wrong: Annotated[bool, typer.Option("--wrong", help="Only answers that were judged wrong.")] = False,
    unjudged: Annotated[bool, typer.Option("--unjudged", help="Also answers without a verdict.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Answers to show, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show questions and the earlier questions whose answers they got, to judge them by hand."""
    found = run_with_context(
        Needs.POSTGRES,
        lambda context: context.semantic.audits(project, wrong=wrong, unjudged=unjudged, limit=limit),
    )
    if as_json:
        print_json(SemanticAuditView.model_validate(each, from_attributes=True) for each in found)
    elif found:
        columns = {
            "time (UTC)": False,
            "how": False,
            "score": False,
            "verdict": False,
            "question": True,
            "earlier": True,
        }
        print_table(columns, (_audit_row(each) for each in found))
    else:
        typer.echo("No such answer was found.")


def _view(found: SemanticSummary) -> SemanticReportView:
    return SemanticReportView(
        project=found.project,
        modes=[_mode_view(each) for each in found.modes],
        model_calls={each.route: each.calls for each in found.calls},
        model_cost_nanos=sum(each.cost_nanos for each in found.calls),
        net_saved_nanos=found.net_saved_nanos,
    )


def _mode_view(each: ModeSummary) -> SemanticModeView:
    false_yes, judged = each.false_yes
    return SemanticModeView(
        mode=each.mode,
        requests=each.account.requests,
        answers=each.answers,
        judged=each.judged,
        wrong=each.wrong,
        wrong_ratio_bound=each.wrong_ratio_bound,
        wrong_share=each.wrong_share,
        delta=each.delta,
        open=each.is_open,
        verifier_false_yes=false_yes,
        verifier_judged=judged,
        verdict=each.verdict,
        actions=[SemanticActionView.model_validate(one, from_attributes=True) for one in each.actions],
    )


def _print_report(found: SemanticSummary) -> None:
    columns = dict.fromkeys(("mode", "how", "requests", "judged", "wrong", "saved USD"), False)
    rows = [
        (
            one.mode,
            one.action,
            f"{one.requests:,}",
            f"{one.right + one.wrong:,}",
            f"{one.wrong:,}",
            _usd(one.saved_nanos),
        )
        for each in found.modes
        for one in each.actions
    ]
    print_table(columns, rows)
    for each in found.modes:
        state = "open" if each.is_open else "closed"
        false_yes, judged = each.false_yes
        typer.echo(
            f"{each.mode}: {each.account.requests:,} requests, of which {each.wrong_share:.2%} were wrong or may have "
            f"been (allowed: {each.delta:.2%}); the account is {state}. Of {each.judged:,} judged answers "
            f"{each.wrong:,} were wrong, at most {each.wrong_ratio_bound:.2%}. The verifier's yes was wrong "
            f"{false_yes:,} times of {judged:,}. Verdict: {each.verdict}."
        )
    cost = sum(each.cost_nanos for each in found.calls)
    calls = sum(each.calls for each in found.calls)
    typer.echo(f"Verifier and judge: {calls:,} calls, {_usd(cost)} USD. Net saved: {_usd(found.net_saved_nanos)} USD.")


def _audit_row(each: AuditedAnswer) -> tuple[str, ...]:
    at = datetime.fromtimestamp(each.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    verdict = {True: "right", False: "wrong", None: "-"}[each.verdict]
    return at, f"{each.mode} {each.action}", f"{each.score:.3f}", verdict, each.question, each.cached_question


def _usd(nanos: int) -> str:
    return f"{nanos / 1e9:.6f}"
