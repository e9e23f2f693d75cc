"""Judge a ratio by a null: the old commit beside itself, in the same run.

The two gateways of the old commit are interchangeable, so a ratio of theirs and its reciprocal are equally likely; the
null's range holds both. What lies in it, chance alone brings about.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from benchmarks.counting import Count

Round = Mapping[str, float]
"""One figure of `old`, `again` (the old commit once more) and `new`, taken one after the other."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The new checkout beside the old one, and the old one beside itself."""

    null: float
    lowest: float
    highest: float
    ratio: float

    @property
    def inside(self) -> bool:
        """Return whether the ratio is one that chance alone brings about."""
        return self.lowest <= self.ratio <= self.highest


def judge(rounds: Sequence[Round]) -> Verdict:
    """Return the median ratios, and the null's range over all rounds."""
    nulls = [each["again"] / each["old"] for each in rounds]
    both = [*nulls, *(1 / null for null in nulls)]
    return Verdict(
        null=statistics.median(nulls),
        lowest=min(both),
        highest=max(both),
        ratio=statistics.median(each["new"] / each["old"] for each in rounds),
    )


def table(title: str, figures: Mapping[str, Sequence[Round]], *, best: str) -> str:
    """Return one figure of all kinds of calls as a Markdown table; `best` is `least` or `most`."""
    return "\n".join(_lines(title, figures, best))


def _lines(title: str, figures: Mapping[str, Sequence[Round]], best: str) -> Iterator[str]:
    yield f"{title}: median ({best})"
    yield ""
    yield "| | old | old again | new | null: old again / old (range) | new / old | judged by the null |"
    yield "|---|---:|---:|---:|---:|---:|---|"
    for kind, rounds in figures.items():
        cells = [_cell([each[side] for each in rounds], best) for side in ("old", "again", "new")]
        verdict = judge(rounds)
        null = f"{verdict.null:.3f} ({verdict.lowest:.3f} to {verdict.highest:.3f})"
        cells += [null, f"{verdict.ratio:.3f}", _judged(verdict)]
        yield f"| {kind} | {' | '.join(cells)} |"


def _cell(values: Sequence[float], best: str) -> str:
    chosen = min(values) if best == "least" else max(values)
    return f"{statistics.median(values):,.1f} ({chosen:,.1f})"


def _judged(verdict: Verdict) -> str:
    if verdict.inside:
        return "inside the null's range: no difference shown"
    return f"outside: {'less' if verdict.ratio < 1 else 'more'} than old"


def counts(old: Mapping[str, Count], new: Mapping[str, Count]) -> str:
    """Return the counted calls as a Markdown table."""
    lines = [
        "Function calls each",
        "",
        "| | Python, old | Python, new | new / old | C, old | C, new | new / old |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for kind, before in old.items():
        after = new[kind]
        python = f"{before.python:,.0f} | {after.python:,.0f} | {_ratio(after.python, before.python)}"
        lines.append(f"| {kind} | {python} | {before.c:,.0f} | {after.c:,.0f} | {_ratio(after.c, before.c)} |")
    return "\n".join(lines)


def _ratio(after: float, before: float) -> str:
    return f"{after / before:.3f}" if before else "-"
