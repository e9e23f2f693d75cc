"""The page that shows the table to readers: a summary by fault, then every case with its result."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from tests.faults.cases import Case, FallbackSetup, StoreState
from tests.faults.faults import Fault
from tests.faults.rules import Verdict

PAGE = Path(__file__).parents[2] / "docs" / "generated" / "fault-matrix.md"

_HEAD = """# The fault matrix

Each way in which an upstream is known to fail, at each moment of a call, on each route, whole and streamed, with our
own parts well and not, with each kind of ladder: what the caller is told, how often the upstream was asked, what was
charged, and under which name the log has it. `make faults` plays all {count} cases at real sockets with a real
PostgreSQL and a real Redis, and writes this page; the suite plays them, too, and fails where one ends otherwise.

Read it so: a failure before the answer has begun has the status stated; one after it has the status 200, which was
sent already, and an error event as its last event, never a clean end. The bill is in nano-dollars (1e-9 USD), at
10 000 for a token of the question and 40 000 for one of the answer; the question and answer are the same everywhere.
Every case has exactly one line in the ledger, with the outcome named, and what the call cost over all attempts: what an
attempt that failed may be charged for is in it, and where nobody saw how much of an answer there was, that is all that
it may have. The log has each attempt that failed. "Made good by" names the rungs that answer in its place, for whole
answers and for streams that have not begun.

{states}
"""

_CASE_HEAD = (
    "| route | form | own parts | ladder | status | code | ledger | log | rung | asked | bill |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


_LADDERS = {
    FallbackSetup.NONE: "one target, one credential, nothing below",
    FallbackSetup.RETRY: "the same target is well the second time",
    FallbackSetup.CREDENTIAL: "another credential of the same provider is well",
    FallbackSetup.TARGET: "another target is well",
    FallbackSetup.STALE: "the question was answered before, and the answer is no longer fresh",
    FallbackSetup.CANNED: "a reply is configured",
    FallbackSetup.OFF: "another credential, another target and a reply are there, and `x-tidegate-fallback: off`",
}


def page(cases: Sequence[Case], verdicts: Mapping[str, Verdict]) -> str:
    """Return the whole page; `verdicts` are by the cases' ids."""
    states = "\n".join([*_states(cases)])
    parts = [_HEAD.format(count=len(cases), states=states), "## By fault\n", *_summary(cases, verdicts), ""]
    parts += ["## All cases\n"]
    for fault, mine in _by_fault(cases):
        parts += _details(fault, mine, verdicts)
    return "\n".join(parts).rstrip() + "\n"


def _states(cases: Sequence[Case]) -> Iterator[str]:
    yield "| own parts | cases |"
    yield "|---|---|"
    for own in StoreState:
        yield f"| {own.value} | {sum(case.stores is own for case in cases)} |"
    yield ""
    yield "| ladder | cases |"
    yield "|---|---|"
    for ladder in FallbackSetup:
        if played := sum(case.fallback is ladder for case in cases):
            yield f"| {ladder.value}: {_LADDERS[ladder]} | {played} |"


def _by_fault(cases: Sequence[Case]) -> Iterator[tuple[Fault, list[Case]]]:
    for _, mine in groupby(cases, key=lambda case: case.fault.name):
        listed = list(mine)
        yield listed[0].fault, listed


def _summary(cases: Sequence[Case], verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    helpful = [ladder for ladder in FallbackSetup if any(case.fallback is ladder for case in cases)][1:]
    yield "| fault | when | what happens | whole answer | stream | made good by | cases |"
    yield "|---|---|---|---|---|---|---|"
    for fault, mine in _by_fault(cases):
        plain = [case for case in mine if case.stores is StoreState.WELL and case.fallback is FallbackSetup.NONE]
        whole, stream = (
            ", ".join(dict.fromkeys(_short(verdicts[case.id]) for case in plain if case.stream is streamed)) or "-"
            for streamed in (False, True)
        )
        good = ", ".join(ladder.value for ladder in helpful if _is_made_good(ladder, mine, verdicts)) or "-"
        when = fault.moment.value
        yield f"| `{fault.name}` | {when} | {fault.description} | {whole} | {stream} | {good} | {len(mine)} |"


def _is_made_good(ladder: FallbackSetup, cases: Sequence[Case], verdicts: Mapping[str, Verdict]) -> bool:
    return any(case.fallback is ladder and not verdicts[case.id].error for case in cases)


def _short(verdict: Verdict) -> str:
    if not verdict.error:
        return "answered"
    return f"{verdict.status}{', then' if verdict.end == 'error event' else ''} `{verdict.error}`"


def _details(fault: Fault, cases: Sequence[Case], verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    yield f"<details><summary><code>{fault.name}</code>: {fault.description} ({fault.moment.value})</summary>\n"
    yield _CASE_HEAD
    for case in cases:
        yield _row(case, verdicts[case.id])
    yield "\n</details>\n"


def _row(case: Case, verdict: Verdict) -> str:
    event = " + event" if verdict.end == "error event" else ""
    cells = [
        case.route.label,
        "stream" if case.stream else "whole",
        case.stores.value,
        case.fallback.value,
        f"{verdict.status}{event}",
        verdict.code or "-",
        ", ".join(verdict.lines),
        ", ".join(verdict.logged) or "-",
        verdict.fallback_step or "-",
        verdict.calls,
        f"{verdict.bill:,}".replace(",", " "),
    ]
    return f"| {' | '.join(str(cell) for cell in cells)} |"
