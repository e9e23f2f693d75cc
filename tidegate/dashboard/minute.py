"""One minute of the ring: the calls of all processes as fields of a Redis hash that are only ever added to. No I/O.

The fields come from the sums that the metrics keep of calls, so counting for the ring costs a call nothing. Bounds of
buckets are part of the fields' names: processes with other buckets add to the same minute.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from tidegate.core.call_report import CallClass
from tidegate.metering.reports.usage_slots import LONGEST_MS, UsageStep
from tidegate.monitoring.metrics.call_series import CallFigures, Histogram

Fields = dict[str, int]

NEEDED_LABELS = ("outcome", "cache")
"""The labels of the metrics without which the ring cannot be written."""
_CACHE = {"hit": "hits", "semantic": "hits", "joined": "joined", "stale": "stale", "miss": "misses"}
_CLASSES = {
    CallClass.ANSWERED: "answered",
    CallClass.DEGRADED: "answered",
    CallClass.REFUSED: "refused",
    CallClass.FAILED: "failed",
    CallClass.CLIENT_GONE: "client_gone",
}
_ANSWERED = (CallClass.ANSWERED, CallClass.DEGRADED)
_WHOLE, _FIRST, _GATEWAY, _ERROR = "t:", "f:", "g:", "e:"
_MARK = b"by:"


class MinuteFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of one minute, or of several."""

    step: UsageStep
    whole: Mapping[int, int] = {}
    """How many answered calls took at most so many milliseconds, and longer than the bound before."""
    first_content: Mapping[int, int] = {}
    gateway: Mapping[int, int] = {}
    errors: Mapping[str, int] = {}
    """How many calls ended with each error."""


def fields_of(figures: CallFigures, failures: Mapping[str, int]) -> Fields:
    """Return what a process has counted since its start, as fields. The figures must have the NEEDED_LABELS."""
    outcome, cache = (figures.labels.index(label) for label in NEEDED_LABELS)
    fields: Counter[str] = Counter()
    for series in figures.series:
        calls, call_class = sum(series.total.counts), series.labels[outcome]
        fields["calls"] += calls
        fields["cost_nanos"] += series.cost_nanos
        fields["saved_nanos"] += series.saved_nanos
        if (kind := _CLASSES.get(CallClass(call_class)) if call_class in _KNOWN else None) is not None:
            fields[kind] += calls
        if (stored := _CACHE.get(series.labels[cache])) is not None:
            fields[stored] += calls
        if call_class in _ANSWERED:
            _add_times(fields, _WHOLE, figures.time_buckets, series.total)
            _add_times(fields, _FIRST, figures.time_buckets, series.first_content)
            _add_times(fields, _GATEWAY, figures.gateway_buckets, series.gateway)
    for error, count in failures.items():
        fields[f"{_ERROR}{error}"] += count
    return dict(fields)


_KNOWN = frozenset(kind.value for kind in CallClass)


def difference(now: Fields, before: Fields) -> Fields:
    """Return what was added; a figure never falls while a process lives."""
    return {name: added for name, count in now.items() if (added := count - before.get(name, 0)) > 0}


def minute_of(reply: Mapping[bytes, bytes], at: int) -> MinuteFigures:
    """Return the figures in a hash as Redis gives it; what is no number of ours is left out."""
    values = {name.decode(): int(text) for name, text in reply.items() if not name.startswith(_MARK) and text.isdigit()}
    sums = {name: values[name] for name in UsageStep.__struct_fields__ if name in values}
    return MinuteFigures(
        step=UsageStep(**{**sums, "at": at}),
        whole=_times(values, _WHOLE),
        first_content=_times(values, _FIRST),
        gateway=_times(values, _GATEWAY),
        errors={name.removeprefix(_ERROR): count for name, count in values.items() if name.startswith(_ERROR)},
    )


def sum_of_minutes(minutes: Iterable[MinuteFigures], at: int = 0) -> MinuteFigures:
    """Return the sum of minutes as one figure that begins at `at`."""
    sums: Counter[str] = Counter()
    times: tuple[Counter[int], ...] = (Counter(), Counter(), Counter())
    errors: Counter[str] = Counter()
    for minute in minutes:
        for name in _SUMS:
            sums[name] += getattr(minute.step, name)
        for total, counts in zip(times, (minute.whole, minute.first_content, minute.gateway), strict=True):
            total.update(counts)
        errors.update(minute.errors)
    whole, first_content, gateway = (dict(each) for each in times)
    step = UsageStep(at=at, **sums)
    return MinuteFigures(step=step, whole=whole, first_content=first_content, gateway=gateway, errors=dict(errors))


_SUMS = tuple(name for name in UsageStep.__struct_fields__ if name != "at")


def _add_times(fields: Counter[str], begin: str, bounds: Sequence[float], histogram: Histogram) -> None:
    names = [*(round(1000 * bound) for bound in bounds), LONGEST_MS]
    for bound, count in zip(names, histogram.counts, strict=True):
        if count:
            fields[f"{begin}{bound}"] += count


def _times(values: Mapping[str, int], begin: str) -> dict[int, int]:
    return {int(name[len(begin) :]): count for name, count in values.items() if name.startswith(begin)}
