"""What was measured of one contestant, and how it is told."""

from collections.abc import Iterator, Mapping

import msgspec

from benchmarks.load import Load
from benchmarks.streams import Chunks


class Figures(msgspec.Struct, kw_only=True):
    """One contestant's figures; loads by number of connections."""

    name: str
    start_seconds: float
    idle_bytes: int
    misses: dict[int, Load] = msgspec.field(default_factory=dict)
    hits: dict[int, Load] = msgspec.field(default_factory=dict)
    chunks: Chunks | None = None
    loaded_bytes: int = 0


def table(everyone: Mapping[str, Figures]) -> str:
    """All figures as a Markdown document's body."""
    return "\n".join([*_loads(everyone), "", *_rest(everyone), "", *_ratios(everyone)])


def _loads(everyone: Mapping[str, Figures]) -> Iterator[str]:
    yield "| | connections | req/s | p50 ms | p99 ms |"
    yield "|---|---:|---:|---:|---:|"
    for kind in ("misses", "hits"):
        for figures in everyone.values():
            for connections, load in getattr(figures, kind).items():
                name = f"{figures.name}, {kind}"
                yield f"| {name} | {connections} | {load.rate:,.0f} | {load.p50 / 1e3:.2f} | {load.p99 / 1e3:.2f} |"


def _rest(everyone: Mapping[str, Figures]) -> Iterator[str]:
    yield "| | start to first answer s | RSS idle MB | RSS after load MB | streams | chunks/s each | CPU µs a chunk |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for figures in everyone.values():
        chunks = figures.chunks
        told = f"{chunks.streams} | {chunks.pace:.1f} | {chunks.microseconds_each:.1f}" if chunks else "- | - | -"
        sizes = f"{figures.idle_bytes / 1e6:.0f} | {figures.loaded_bytes / 1e6:.0f}"
        yield f"| {figures.name} | {figures.start_seconds:.2f} | {sizes} | {told} |"


def _ratios(everyone: Mapping[str, Figures]) -> Iterator[str]:
    ours = everyone.get("tidegate")
    if ours is None:
        return
    yield "| Tidegate against | " + " | ".join(f"{kind}, {n} conn." for kind, n in _cases(ours)) + " |"
    yield "|---|" + "---:|" * len(list(_cases(ours)))
    for key, other in everyone.items():
        if key != "tidegate":
            cells = [_ratio(ours, other, kind, connections) for kind, connections in _cases(ours)]
            yield f"| {other.name} | " + " | ".join(cells) + " |"


def _cases(figures: Figures) -> Iterator[tuple[str, int]]:
    for kind in ("misses", "hits"):
        for connections in getattr(figures, kind):
            yield kind, connections


def _ratio(ours: Figures, other: Figures, kind: str, connections: int) -> str:
    # whoever has no cache answers everything the way it answers a miss
    theirs = getattr(other, kind).get(connections) or (other.misses.get(connections) if not other.hits else None)
    return f"{getattr(ours, kind)[connections].rate / theirs.rate:.2f} x" if theirs else "-"
