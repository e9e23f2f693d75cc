"""The counters as Prometheus' text format has them."""

from tidegate.watch.counters import Counts
from tidegate.watch.exposition import exposition


def test_each_figure_has_its_line() -> None:
    counts = Counts(
        failures={"truncated": {"chat": 2}, "out_of_quota": {"chat": 1, "responses": 3}},
        own_parts={"redis_lost": 0, "redis_silent": 7},
        now={"redis_up": 1},
    )
    lines = exposition(counts).splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        'tidegate_failures_total{error="truncated",route="chat"} 2',
        'tidegate_failures_total{error="out_of_quota",route="chat"} 1',
        'tidegate_failures_total{error="out_of_quota",route="responses"} 3',
        'tidegate_own_part_events_total{event="redis_lost"} 0',
        'tidegate_own_part_events_total{event="redis_silent"} 7',
        "tidegate_redis_up 1",
    ]
    assert exposition(counts).endswith("\n")
