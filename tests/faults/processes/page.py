"""The page that shows the table to readers: a row for each ending and moment, with its results."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from tests.faults.processes.cases import CallMoment, Ending, ProcessCase
from tests.faults.processes.runner import ProcessVerdict

PROCESS_PAGE = Path(__file__).parents[3] / "docs" / "generated" / "process-matrix.md"

_HEAD = """# A process that ends

This page lists what callers and the ledger see when a gateway process ends: in each way, at each moment of a call, on
each route, streamed and unstreamed, and in every state of Redis and PostgreSQL. `make faults` plays all {count} cases
at real sockets with processes of their own, and writes this page. The test suite plays them, too, and fails where a
result differs from the expected one.

A successor starts when all processes have ended. The ledger entries are those that it finds or completes. The cost is
in nano-dollars (1e-9 USD), as in the [fault matrix](fault-matrix.md).

| the process gets | the call is | routes, forms and stores | result | ledger |
|---|---|---|---|---|
"""


def process_page(cases: Sequence[ProcessCase], verdicts: Mapping[str, ProcessVerdict]) -> str:
    """Return the whole page; `verdicts` are by the cases' ids."""
    return _HEAD.format(count=len(cases)) + "".join(f"{row}\n" for row in _rows(cases, verdicts))


def _rows(cases: Sequence[ProcessCase], verdicts: Mapping[str, ProcessVerdict]) -> Iterator[str]:
    in_order = sorted(cases, key=_place)
    for (ending, moment), group in groupby(in_order, key=lambda case: (case.ending, case.moment)):
        results: dict[tuple[str, str], list[ProcessCase]] = {}
        for case in group:
            verdict = verdicts[case.id]
            results.setdefault((_result(verdict), _ledger(verdict)), []).append(case)
        for (result, ledger), alike in results.items():
            yield f"| {ending.value} | {moment.value} | {_described(alike)} | {result} | {ledger} |"


def _place(case: ProcessCase) -> tuple[int, int]:
    return list(Ending).index(case.ending), list(CallMoment).index(case.moment)


def _described(cases: Sequence[ProcessCase]) -> str:
    forms = dict.fromkeys(f"{case.route.label}{' stream' if case.stream else ''}" for case in cases)
    stores = dict.fromkeys(case.stores.value for case in cases)
    return f"{', '.join(forms)}; {', '.join(stores)}"


def _result(verdict: ProcessVerdict) -> str:
    if verdict.status == 0:
        return verdict.end
    code = "" if verdict.code is None else f" `{verdict.code}`"
    closes = ", `connection: close`" if verdict.closes else ""
    return f"{verdict.status} {verdict.end}{code}{closes}"


def _ledger(verdict: ProcessVerdict) -> str:
    return ", ".join(f"{outcome} {cost:,}".replace(",", " ") for outcome, cost in verdict.entries) or "-"
