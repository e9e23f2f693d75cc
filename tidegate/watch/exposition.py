"""The counters as Prometheus reads them (its text format, version 0.0.4)."""

from collections.abc import Iterator

from tidegate.watch.counters import Counts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(counts: Counts) -> str:
    """The page."""
    return "\n".join([*_lines(counts), ""])


def _lines(counts: Counts) -> Iterator[str]:
    yield "# HELP tidegate_failures_total Calls that ended with a typed error."
    yield "# TYPE tidegate_failures_total counter"
    for error, routes in counts.failures.items():
        for route, count in routes.items():
            yield f'tidegate_failures_total{{error="{error}",route="{route}"}} {count}'
    yield "# HELP tidegate_own_part_events_total What befell the gateway's own parts."
    yield "# TYPE tidegate_own_part_events_total counter"
    for what, count in counts.own_parts.items():
        yield f'tidegate_own_part_events_total{{event="{what}"}} {count}'
    for name, value in counts.now.items():
        yield f"# TYPE tidegate_{name} gauge"
        yield f"tidegate_{name} {value}"
