"""The page that shows the table to readers: a summary by fault, then every case with its result."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from tests.faults.cases import Case, FallbackSetup, StoreState
from tests.faults.faults import Fault
from tests.faults.rules import Verdict

PAGE = Path(__file__).parents[2] / "docs" / "generated" / "fault-matrix.md"

_HEAD = """# The fault matrix

This page lists every known failure of an upstream: at each moment of a call, on each route, streamed and unstreamed.
Each is combined with every state of Redis and PostgreSQL, and with every fallback setup. `make faults` plays all
{count} cases at real sockets with a real PostgreSQL and a real Redis, and writes this page. The test suite plays them,
too, and fails where a result differs from the expected one.

A failure before the answer has begun has the status in the table. After that the status is 200, which was already sent,
and the last event is an error event. The cost is in nano-dollars (1e-9 USD): 10 000 per input token and 40 000 per
output token. Every case uses the same request and the same answer. Every case has exactly one ledger entry, with the
outcome in the table and the cost of all attempts. A failed attempt that may be charged is included; an answer of
unknown length counts with its greatest length. The log has each failed attempt. "Recovered by" names the fallback
setups that answer instead, for unstreamed answers and for streams that have not begun.

{states}
"""

_CASE_HEAD = (
    "| route | form | stores | fallback | status | code | ledger | log | fallback step | calls | cost |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


_FALLBACKS = {
    FallbackSetup.NONE: "one target, one credential, no fallback",
    FallbackSetup.RETRY: "the same target works the second time",
    FallbackSetup.CREDENTIAL: "another credential of the same provider works",
    FallbackSetup.TARGET: "another target works",
    FallbackSetup.STALE: "the same request was answered before, and that answer is stale",
    FallbackSetup.CANNED: "a canned reply is configured",
    FallbackSetup.OFF: "all of them are configured, and the request has `x-tidegate-fallback: off`",
}


def page(cases: Sequence[Case], verdicts: Mapping[str, Verdict]) -> str:
    """Return the whole page; `verdicts` are by the cases' ids."""
    states = "\n".join([*_states(cases)])
    parts = [_HEAD.format(count=len(cases), states=states), "## By fault\n", *_summary(cases, verdicts), ""]
    parts += ["## All cases\n"]
    for fault, fault_cases in _by_fault(cases):
        parts += _details(fault, fault_cases, verdicts)
    return "\n".join(parts).rstrip() + "\n"


def _states(cases: Sequence[Case]) -> Iterator[str]:
    yield "| stores | cases |"
    yield "|---|---|"
    for state in StoreState:
        yield f"| {state.value} | {sum(case.stores is state for case in cases)} |"
    yield ""
    yield "| fallback | cases |"
    yield "|---|---|"
    for fallback in FallbackSetup:
        if played := sum(case.fallback is fallback for case in cases):
            yield f"| {fallback.value}: {_FALLBACKS[fallback]} | {played} |"


def _by_fault(cases: Sequence[Case]) -> Iterator[tuple[Fault, list[Case]]]:
    for _, group in groupby(cases, key=lambda case: case.fault.name):
        listed = list(group)
        yield listed[0].fault, listed


def _summary(cases: Sequence[Case], verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    helpful = [fallback for fallback in FallbackSetup if any(case.fallback is fallback for case in cases)][1:]
    yield "| fault | when | what happens | unstreamed | stream | recovered by | cases |"
    yield "|---|---|---|---|---|---|---|"
    for fault, fault_cases in _by_fault(cases):
        plain = [case for case in fault_cases if case.stores is StoreState.WELL and case.fallback is FallbackSetup.NONE]
        whole, stream = (
            ", ".join(dict.fromkeys(_short(verdicts[case.id]) for case in plain if case.stream is streamed)) or "-"
            for streamed in (False, True)
        )
        recovered_by = (
            ", ".join(fallback.value for fallback in helpful if _recovers(fallback, fault_cases, verdicts)) or "-"
        )
        cells = [f"`{fault.name}`", fault.moment.value, fault.description, whole, stream, recovered_by]
        yield f"| {' | '.join(cells)} | {len(fault_cases)} |"


def _recovers(fallback: FallbackSetup, cases: Sequence[Case], verdicts: Mapping[str, Verdict]) -> bool:
    return any(case.fallback is fallback and not verdicts[case.id].error for case in cases)


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
