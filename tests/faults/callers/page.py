"""The page that shows the table to readers: a row for each text at each place, with its result."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from tests.faults.callers.cases import CallerCase
from tests.faults.callers.runner import CallerVerdict

CALLER_PAGE = Path(__file__).parents[3] / "docs" / "generated" / "caller-matrix.md"

_HEAD = """# What a caller chooses

This page lists texts that were made to do harm, at each place of a request that holds a caller's text, and odd lines of
its head. `make faults` plays all {count} cases at real sockets with a real PostgreSQL and a real Redis, and writes this
page. The test suite plays them, too, and fails where a result differs from the expected one.

In every case two callers of different projects use the same model. Both keys have limits and budgets. One caller sends
the text or the line. Then the other caller sends a new question. It is answered, it costs what it costs alone, and it
has exactly one ledger entry. The first caller gets an answer from upstream or a typed refusal, and its answers have one
ledger entry each.

| place | text | routes and forms | result |
|---|---|---|---|
"""


def caller_page(cases: Sequence[CallerCase], verdicts: Mapping[str, CallerVerdict]) -> str:
    """Return the whole page; `verdicts` are by the cases' ids."""
    return _HEAD.format(count=len(cases)) + "".join(f"{row}\n" for row in _rows(cases, verdicts))


def _rows(cases: Sequence[CallerCase], verdicts: Mapping[str, CallerVerdict]) -> Iterator[str]:
    for (place, choice), group in groupby(cases, key=_place_and_choice):
        results: dict[str, list[str]] = {}
        for case in group:
            form = f"{case.route.label}{' stream' if case.stream else ''}"
            results.setdefault(_result(verdicts[case.id]), []).append(form)
        for result, forms in results.items():
            yield f"| {place} | {choice} | {'all' if len(results) == 1 else ', '.join(forms)} | {result} |"


def _place_and_choice(case: CallerCase) -> tuple[str, str]:
    whole = {"body": "the whole body", "head": "a line of the head"}
    return (whole.get(case.place_name, case.place_name), case.choice)


def _result(verdict: CallerVerdict) -> str:
    answer = "answered" if verdict.code is None else f"{verdict.status} `{verdict.code}`"
    return answer if verdict.neighbour == "answered" else f"{answer}; the other caller: {verdict.neighbour}"
