"""What was measured of all contestants, as tables."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from benchmarks.turns import Case, Turn

OURS, AGAIN = "tidegate", "tidegate, again"
_KINDS = ("miss", "hit")


class Figures(msgspec.Struct, kw_only=True):
    """One contestant: its turns by case, its start and its memory."""

    name: str
    title: str
    start_seconds: float
    idle_bytes: int
    streams: int
    turns: dict[Case, list[Turn]] = msgspec.field(default_factory=dict)
    loaded_bytes: int = 0

    def median(self, case: Case, figure: str) -> float | None:
        """Return the median over the rounds, or None where it had no turn or has no such figure."""
        values = [value for turn in self.turns.get(case, []) if (value := getattr(turn, figure)) is not None]
        return statistics.median(values) if values else None


Everyone = Mapping[str, Figures]


def noise(everyone: Everyone, cases: Sequence[Case]) -> float | None:
    """Return the largest difference of CPU between two equal contestants, at the median; None without the second."""
    if AGAIN not in everyone:
        return None
    found = []
    for case in cases:
        first, second = (everyone[name].median(case, "microseconds") for name in (OURS, AGAIN))
        if first and second:
            found.append(abs(second / first - 1))
    return max(found, default=None)


def tables(everyone: Everyone, cases: Sequence[Case]) -> str:
    """Return all figures as Markdown."""
    ratios = ["", *_ratios(everyone, cases)] if OURS in everyone else []
    return "\n".join([*_calls(everyone, cases), "", *_rest(everyone, cases), *ratios])


def _calls(everyone: Everyone, cases: Sequence[Case]) -> Iterator[str]:
    yield "| | connections | CPU µs a call | Redis µs | PostgreSQL µs | calls/s | p50 ms | p99 ms |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for case in cases:
        for figures in everyone.values():
            if case.kind in _KINDS and case in figures.turns:
                cells = [_cell(figures, case, name) for name in ("microseconds", "redis", "postgres", "rate")]
                cells += [_cell(figures, case, name, factor=1e3, digits=2) for name in ("p50", "p99")]
                yield f"| {figures.name}, {case.kind} | {case.count} | {' | '.join(cells)} |"


def _rest(everyone: Everyone, cases: Sequence[Case]) -> Iterator[str]:
    yield "| | start to first answer s | RSS idle MB | RSS after load MB | streams | chunks/s each | CPU µs a chunk |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    chunk = next(case for case in cases if case.kind == "chunk")
    for figures in everyone.values():
        pace, each = _cell(figures, chunk, "rate", digits=1), _cell(figures, chunk, "microseconds", digits=1)
        streams = str(figures.streams) if chunk in figures.turns else "-"
        sizes = f"{figures.idle_bytes / 1e6:.0f} | {figures.loaded_bytes / 1e6:.0f}"
        yield f"| {figures.name} | {figures.start_seconds:.2f} | {sizes} | {streams} | {pace} | {each} |"


def _ratios(everyone: Everyone, cases: Sequence[Case]) -> Iterator[str]:
    called = [case for case in cases if case.kind in _KINDS]
    yield (
        "| Tidegate's CPU, and rate, of another's | " + " | ".join(f"{c.kind}, {c.count} conn." for c in called) + " |"
    )
    yield "|---|" + "---:|" * len(called)
    for name, other in everyone.items():
        if name != OURS:
            yield f"| {name} | " + " | ".join(_ratio(everyone[OURS], other, case) for case in called) + " |"


def _ratio(ours: Figures, other: Figures, case: Case) -> str:
    # a gateway without a cache answers each call as it answers a miss
    theirs = case if case in other.turns else Case("miss", case.count)
    quotients = []
    for figure in ("microseconds", "rate"):
        first, second = ours.median(case, figure), other.median(theirs, figure)
        if not first or not second:
            return "-"
        quotients.append(f"{first / second:.2f} x")
    return ", ".join(quotients)


def _cell(figures: Figures, case: Case, figure: str, *, factor: float = 1.0, digits: int = 0) -> str:
    value = figures.median(case, figure)
    return "-" if value is None else f"{value * factor:,.{digits}f}"


def for_readme(everyone: Everyone, cases: Sequence[Case]) -> str:
    """Return the table that README quotes."""
    counts = sorted({case.count for case in cases if case.kind == "miss"})[1:] or [cases[0].count]
    chunk = next(case for case in cases if case.kind == "chunk")
    told = " / ".join(map(str, counts))
    lines = [
        f"| {told} connections | miss, CPU µs | misses a second | hit, CPU µs | hits a second | CPU µs a chunk |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for figures in everyone.values():
        if figures.name != AGAIN:
            cells = [
                _several(figures, kind, counts, figure) for kind in _KINDS for figure in ("microseconds", "rate")
            ] + [_cell(figures, chunk, "microseconds")]
            lines.append(f"| {figures.title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _several(figures: Figures, kind: str, counts: Sequence[int], figure: str) -> str:
    cells = [_cell(figures, Case(kind, count), figure) for count in counts]
    return "-" if set(cells) == {"-"} else " / ".join(cells)


def for_capacity(everyone: Everyone, cases: Sequence[Case]) -> str:
    """Return the rows that the page on capacity quotes: what a core carries, and where Redis's one thread ends."""
    ours = everyone[OURS]
    most = max(case.count for case in cases if case.kind == "miss")
    chunk = next(case for case in cases if case.kind == "chunk")
    rows = [
        "| load, everything on | one process on one core | its CPU | Redis | PostgreSQL | one Redis is full at |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for title, case in (("calls that go upstream", Case("miss", most)), ("answers from the cache", Case("hit", most))):
        cells = [f"{_cell(ours, case, name)} µs each" for name in ("microseconds", "redis", "postgres")]
        wall = ours.median(case, "redis")
        full = f"{1e6 / wall:,.0f} a second" if wall else "-"
        rows.append(f"| {title} | {_cell(ours, case, 'rate')} a second | {' | '.join(cells)} | {full} |")
    each = ours.median(chunk, "microseconds")
    carried = f"{1e6 / each:,.0f} a second" if each else "-"
    rows.append(f"| chunks of streams | {carried} | {_cell(ours, chunk, 'microseconds')} µs each | - | - | - |")
    return "\n".join(rows)
