"""The figures of calls with the same labels, as values: what one process counted, and the sum of several."""

from collections.abc import Iterable

import msgspec


class TokenCounts(msgspec.Struct, frozen=True):
    """Tokens. Those of a part are also counted in the whole: cached ones in `input`, reasoning in `output`."""

    input: int = 0
    cached_input: int = 0
    cache_write_input: int = 0
    output: int = 0
    reasoning_output: int = 0


class Histogram(msgspec.Struct, frozen=True):
    """A distribution of times."""

    counts: tuple[int, ...]
    """How many times lie in each bucket, and last, how many are above all of them."""
    sum_ms: int
    """The sum of all times in milliseconds."""


class CallSeries(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of the calls that have the same labels."""

    labels: tuple[str, ...]
    """The labels' values, in the order of `CallFigures.labels`."""
    tokens: TokenCounts
    cost_nanos: int
    """In nano-dollars."""
    saved_nanos: int
    """The cost that the cache saved, in nano-dollars."""
    queue_ms: int
    """The sum of the waits in the queue, in milliseconds."""
    upstream_ms: int
    """The sum of the waits for the upstream, in milliseconds."""
    total: Histogram
    """Of the whole calls; it counts every call."""
    gateway: Histogram
    """Of the gateway's own share; it counts every call."""
    first_content: Histogram
    """Of the time to first content, which is the whole time of an answer that is no stream.

    It counts answers, and failures after the first content.
    """


class CallFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of all calls, by their labels."""

    labels: tuple[str, ...]
    """The labels' names."""
    time_buckets: tuple[float, ...]
    """The upper bounds of the buckets of `total` and `first_content`, in seconds."""
    gateway_buckets: tuple[float, ...]
    """The upper bounds of the buckets of `gateway`, in seconds."""
    series: tuple[CallSeries, ...] = ()

    def matches(self, other: "CallFigures") -> bool:
        """Return whether the figures have the same labels and buckets, so that they can be added."""
        mine = (self.labels, self.time_buckets, self.gateway_buckets)
        return mine == (other.labels, other.time_buckets, other.gateway_buckets)


def sum_of_calls(figures: Iterable[CallFigures]) -> CallFigures | None:
    """Return the sum of the figures; those of another configuration than the first are left out."""
    every = list(figures)
    if not every:
        return None
    first = every[0]
    summed: dict[tuple[str, ...], CallSeries] = {}
    for each in every:
        if each.matches(first):
            for series in each.series:
                known = summed.get(series.labels)
                summed[series.labels] = series if known is None else _added(known, series)
    return msgspec.structs.replace(first, series=tuple(summed[labels] for labels in sorted(summed)))


def _added(one: CallSeries, other: CallSeries) -> CallSeries:
    tokens = zip(msgspec.structs.astuple(one.tokens), msgspec.structs.astuple(other.tokens), strict=True)
    return CallSeries(
        labels=one.labels,
        tokens=TokenCounts(*map(sum, tokens)),
        cost_nanos=one.cost_nanos + other.cost_nanos,
        saved_nanos=one.saved_nanos + other.saved_nanos,
        queue_ms=one.queue_ms + other.queue_ms,
        upstream_ms=one.upstream_ms + other.upstream_ms,
        total=_added_histogram(one.total, other.total),
        gateway=_added_histogram(one.gateway, other.gateway),
        first_content=_added_histogram(one.first_content, other.first_content),
    )


def _added_histogram(one: Histogram, other: Histogram) -> Histogram:
    counts = tuple(map(sum, zip(one.counts, other.counts, strict=True)))
    return Histogram(counts, one.sum_ms + other.sum_ms)
