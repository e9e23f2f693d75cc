"""The page that shows the table to readers: a summary by fault, then every case with its outcome."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from tests.faults.cases import Case, Ladder, Own
from tests.faults.faults import Fault
from tests.faults.rules import Verdict

PAGE = Path(__file__).parents[2] / "docs" / "fault-matrix.md"

_HEAD = """# The fault matrix

Each way in which an upstream is known to fail, at each moment of a call, on each route, whole and streamed, with our
own parts well and not, with each kind of ladder: what the caller is told, how often the upstream was asked, what was
charged, and under which name the log has it. `make faults` plays all {count} cases at real sockets with a real
PostgreSQL and a real Redis, and writes this page; the suite plays them, too, and fails where one ends otherwise.

Read it so: a failure before the answer has begun has the status stated; one after it has the status 200, which was
sent already, and an error event as its last event, never a clean end. The bill is in nano-dollars (1e-9 USD), at
10 000 for a token of the question and 40 000 for one of the answer; the question and answer are the same everywhere.
Every case has exactly one line in the ledger, with the outcome named.

{states}
"""

_CASE_HEAD = (
    "| route | form | own parts | ladder | status | code | error, ledger, log | served by | asked | bill |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def page(cases: Sequence[Case], verdicts: Mapping[str, Verdict]) -> str:
    """The whole page; `verdicts` are by the cases' ids."""
    states = "\n".join([*_states(cases)])
    parts = [_HEAD.format(count=len(cases), states=states), "## By fault\n", *_summary(cases, verdicts), ""]
    parts += ["## All cases\n"]
    for fault, mine in _by_fault(cases):
        parts += _details(fault, mine, verdicts)
    return "\n".join(parts).rstrip() + "\n"


def _states(cases: Sequence[Case]) -> Iterator[str]:
    yield "| own parts | cases |"
    yield "|---|---|"
    for own in Own:
        yield f"| {own.value} | {sum(case.own is own for case in cases)} |"
    yield ""
    yield "| ladder | cases |"
    yield "|---|---|"
    for ladder in Ladder:
        yield f"| {ladder.value} | {sum(case.ladder is ladder for case in cases)} |"


def _by_fault(cases: Sequence[Case]) -> Iterator[tuple[Fault, list[Case]]]:
    for _, mine in groupby(cases, key=lambda case: case.fault.name):
        listed = list(mine)
        yield listed[0].fault, listed


def _summary(cases: Sequence[Case], verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    yield "| fault | when | what happens | whole answer | stream | cases |"
    yield "|---|---|---|---|---|---|"
    for fault, mine in _by_fault(cases):
        plain = [case for case in mine if case.own is Own.WELL and case.ladder is Ladder.NONE]
        whole, stream = (
            ", ".join(dict.fromkeys(_short(verdicts[case.id]) for case in plain if case.stream is streamed)) or "-"
            for streamed in (False, True)
        )
        yield f"| `{fault.name}` | {fault.moment.value} | {fault.shows} | {whole} | {stream} | {len(mine)} |"


def _short(verdict: Verdict) -> str:
    if not verdict.error:
        return "answered"
    return f"{verdict.status}{', then' if verdict.end == 'error event' else ''} `{verdict.error}`"


def _details(fault: Fault, cases: Sequence[Case], verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    yield f"<details><summary><code>{fault.name}</code>: {fault.shows} ({fault.moment.value})</summary>\n"
    yield _CASE_HEAD
    for case in cases:
        yield _row(case, verdicts[case.id])
    yield "\n</details>\n"


def _row(case: Case, verdict: Verdict) -> str:
    event = " + event" if verdict.end == "error event" else ""
    cells = [
        case.route.label,
        "stream" if case.stream else "whole",
        case.own.value,
        case.ladder.value,
        f"{verdict.status}{event}",
        verdict.code or "-",
        ", ".join(dict.fromkeys([*verdict.lines, *verdict.logged])),
        verdict.served_by,
        verdict.calls,
        f"{verdict.bill:,}".replace(",", " "),
    ]
    return f"| {' | '.join(str(cell) for cell in cells)} |"
