"""Writes the figures in Prometheus's text format, version 0.0.4. Called for `/metrics`."""

from collections.abc import Iterable, Iterator, Mapping

from tidegate.monitoring.counters import Counts, Gauge, Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
WORKER = "worker"
"""The label that distinguishes the processes of one gateway."""

_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def exposition(workers: Mapping[str, Counts], shared: Iterable[Gauge] = ()) -> str:
    """Return the page: first each worker's figures under its name, then the shared ones.

    The name is empty for a single worker.
    """
    return "\n".join([*_counters(workers), *_gauges(workers), *_shared(shared), ""])


def _counters(workers: Mapping[str, Counts]) -> Iterator[str]:
    failures = [
        (name, Sample(count, {"error": error, "route": route}))
        for name, counts in workers.items()
        for error, routes in counts.failures.items()
        for route, count in routes.items()
    ]
    yield from _family("failures_total", "counter", "Calls that ended with a typed error.", failures)
    events = [
        (name, Sample(count, {"event": what}))
        for name, counts in workers.items()
        for what, count in counts.internal_events.items()
    ]
    yield from _family("own_part_events_total", "counter", "Events of the gateway's own parts.", events)


def _gauges(workers: Mapping[str, Counts]) -> Iterator[str]:
    families: dict[str, list[tuple[str, Sample]]] = {}
    helps: dict[str, str] = {}
    for name, counts in workers.items():
        for gauge in counts.gauges:
            helps[gauge.name] = gauge.help
            families.setdefault(gauge.name, []).extend((name, sample) for sample in gauge.samples)
    for family, samples in families.items():
        yield from _family(family, "gauge", helps[family], samples)


def _shared(gauges: Iterable[Gauge]) -> Iterator[str]:
    for gauge in gauges:
        yield from _family(gauge.name, "gauge", gauge.help, [("", sample) for sample in gauge.samples])


def _family(name: str, kind: str, help_text: str, samples: Iterable[tuple[str, Sample]]) -> Iterator[str]:
    yield f"# HELP tidegate_{name} {help_text}"
    yield f"# TYPE tidegate_{name} {kind}"
    for worker, sample in samples:
        labels = sample.labels | ({WORKER: worker} if worker else {})
        text = ",".join(f'{label}="{value.translate(_ESCAPED)}"' for label, value in labels.items())
        yield f"tidegate_{name}{{{text}}} {sample.value}" if text else f"tidegate_{name} {sample.value}"
